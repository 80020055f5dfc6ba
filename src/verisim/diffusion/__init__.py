"""Diffusion in three words: a schedule of noise, a denoiser, and a sampler that applies it."""

from verisim.diffusion.denoiser import (
    Denoiser,
    Guided,
    NetworkDenoiser,
    Parameterization,
    Preconditioned,
    Within,
    clean_of,
    noise_of,
    target_of,
)
from verisim.diffusion.distillation import Teacher, landing
from verisim.diffusion.generation import Generation, Student
from verisim.diffusion.sampler import DDIM, DDPM, DPMSolver, Heun, Sampler
from verisim.diffusion.sampling import Sampling
from verisim.diffusion.schedule import Cosine, Karras, Linear, NoiseSchedule

__all__ = [
    "DDIM",
    "DDPM",
    "Cosine",
    "DPMSolver",
    "Denoiser",
    "Generation",
    "Guided",
    "Heun",
    "Karras",
    "Linear",
    "NetworkDenoiser",
    "NoiseSchedule",
    "Parameterization",
    "Preconditioned",
    "Sampler",
    "Sampling",
    "Student",
    "Teacher",
    "Within",
    "clean_of",
    "landing",
    "noise_of",
    "target_of",
]
