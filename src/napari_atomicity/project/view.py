"""How a project was shown: the camera, and the looks of its images."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from napari_atomicity.kinds import Share, Within
from napari_atomicity.schema import Door

_Length: TypeAlias = Annotated[float, Within(-1e9, 1e9)]
_Lengths: TypeAlias = Annotated[list[_Length], Field(max_length=10)]
_Matrix: TypeAlias = Annotated[list[_Lengths], Field(max_length=11)]


class _Place(BaseModel):
    """How an image lay in the world, beside its pixel size."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)

    mirrored: Annotated[list[bool], Field(max_length=10)]
    translate: _Lengths
    rotate: _Matrix
    shear: _Lengths
    affine: _Matrix


class _Looks(BaseModel):
    """How an image was shown; what is odd is passed over with the rest."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)

    visible: bool = True
    opacity: Share = 1.0
    gamma: Annotated[float, Within(0.01, 100)] = 1.0
    contrast_limits: Annotated[list[float], Field(min_length=2, max_length=2)] = Field(default_factory=list)
    colormap: Annotated[str, Field(max_length=60)] = "gray"


class _ImageLooks(_Looks):
    place: _Place | None = None


class _Rings(BaseModel):
    """Which clusters were hidden."""

    model_config = ConfigDict(strict=True, extra="ignore")

    hidden: Annotated[list[Annotated[str, Field(max_length=60)]], Field(max_length=1000)] = Field(default_factory=list)
    confidence: Annotated[str, Field(max_length=60)] = ""
    flag: Annotated[str, Field(max_length=60)] = ""


class _ImageView(BaseModel):
    image: _ImageLooks = Field(default_factory=_ImageLooks)
    clusters: _Looks = Field(default_factory=_Looks)
    rings: _Rings = Field(default_factory=_Rings)


class _Camera(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)

    center: Annotated[list[_Length], Field(min_length=2, max_length=3)]
    zoom: Annotated[float, Within(1e-6, 1e6)]
    step: Annotated[list[Annotated[int, Within(0, 10**9)]], Field(max_length=10)]


LOOKS_DOOR: Final = Door(_ImageView)
CAMERA_DOOR: Final = Door(_Camera)


def looks_of(view: Any) -> dict[str, dict[str, Any]]:
    """How an image and its clusters were shown, each as far as it was said; empty where that makes no sense."""
    return LOOKS_DOOR.check(view, "The view").model_dump(exclude_unset=True)
