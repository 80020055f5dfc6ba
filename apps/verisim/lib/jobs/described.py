"""What `/jobs` takes and answers, for the description of all routes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, File, Form, Header, UploadFile

from lib.jobs.told import ACCEPTED, STATUS, Accepted, Files, Status

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern="^[!-~]{1,64}$",
        description="The same key with the same request is the same job, however often it comes.",
    ),
]
Params = Annotated[
    str,
    Form(
        description="JSON: model, and if you like device, mirror, result_extension, series, "
        "samples, steps and seed (of a diffusion model), outputs (label, report, probability, "
        "uncertainty, samples). With save_label (annotators) the label map of ?image=ID becomes "
        "its label in the datastore, with the tag label_tag.",
        examples=[
            '{"model": "hippocampus-unet", "result_extension": ".nii.gz"}',
            '{"model": "hippocampus-unet", "outputs": ["label", "probability", "uncertainty"]}',
            '{"model": "hippocampus-unet", "save_label": true, "label_tag": "draft"}',
        ],
    ),
]
Uploads = Annotated[
    list[UploadFile] | None,
    File(description="One volume, or all files of one DICOM series."),
]

SynthesisParams = Annotated[
    str,
    Form(
        description="JSON: model, and if you like count, first, seed, steps, solver, guidance, "
        "attributes (name to value, of those that the model knows), attribute_guidance, "
        "format (nifti, nrrd or dicom), precision and device.",
        examples=['{"model": "hippocampus-diffusion", "count": 8, "seed": 1}'],
    ),
]
SynthesisUploads = Annotated[
    list[UploadFile] | None,
    File(
        description="Label maps that the images shall show; none: the model makes its own; "
        "random-contrast needs them."
    ),
]

Options = Annotated[
    dict[str, Any],
    Body(
        description="model, or new_model with a name; the rest as in POST /train/{model}.",
        examples=[{"model": "new_model", "name": "liver-ct", "labels": "liver, tumour"}],
    ),
]

AuditParams = Annotated[
    dict[str, Any],
    Body(
        description="training and held_out, each DATASET or DATASET:SPLIT of the server's data "
        "sets; synthesis, the id of the job that made the cases, or synthetic, a folder of them; "
        "if you like model, level, plants, seed, stand_in, images, subject_pattern and device.",
        examples=[
            {
                "training": "hippocampus:train",
                "held_out": "hippocampus:val",
                "synthesis": "3f0c9a41d2b84f6d9a0e5b7c6f1d2e30",
            }
        ],
    ),
]

BINARY: dict[str, Any] = {
    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
}

REPEATED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The key was sent before with the same request: this is its job.",
        "model": Accepted,
        "content": {"application/json": {"example": ACCEPTED}},
    }
}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `status` at every change, `end` with the last one.",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'event: status\ndata: {"state": "running", "percent": 41.5, …}\n\n',
            }
        },
    }
}
STOPPING: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "It ends at its next step.",
        "model": Status,
        "content": {"application/json": {"example": STATUS}},
    }
}
RESULT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file, if there is only one; else the list of all with their urls.",
        "model": Files,
        "content": BINARY,
    },
    206: {"description": "The part of the file that the header Range asks for."},
    409: {"description": "The job is not done, or it failed: then its own error."},
}
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture.",
        "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
    }
}
FILE: dict[int | str, dict[str, Any]] = {
    **RESULT,
    200: {
        "description": "The file.",
        "content": BINARY,
    },
}
