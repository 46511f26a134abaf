"""The public names: type checkers read them here, `lazy_loader` imports them when they are used."""

from .caption import StructuredCaption as StructuredCaption
from .caption import compose as compose
from .caption import parse as parse
from .checkpoints.convert import convert_checkpoint as convert_checkpoint
from .evaluate.benchmarks.options import SuiteOptions as SuiteOptions
from .evaluate.benchmarks.run import evaluate_suite as evaluate_suite
from .evaluate.reproduce import reproduce as reproduce
from .evaluate.run import evaluate_checkpoint as evaluate_checkpoint
from .evaluate.takes import best_takes as best_takes
from .files.delivery import Delivery as Delivery
from .files.marking import Marking as Marking
from .files.provenance import read_provenance as read_provenance
from .infer.clip_files import write_clip as write_clip
from .infer.codec import Codec as Codec
from .infer.load import load as load
from .infer.load import load_tokenizer as load_tokenizer
from .infer.load import load_understanding as load_understanding
from .infer.options import SamplingOptions as SamplingOptions
from .infer.pipeline import Pipeline as Pipeline
from .infer.requests import Clip as Clip
from .infer.source import Source as Source
from .infer.understand import Question as Question
from .infer.understand import Understanding as Understanding
from .input.folder_manifest import build_manifest as build_manifest
from .jobs.encode_latents import encode_dataset as encode_dataset
from .jobs.generate_clips import BatchSettings as BatchSettings
from .jobs.generate_clips import run_batch as run_batch
from .jobs.job import Share as Share
from .plan.sampling import plan_sampling as plan_sampling
from .plan.training import plan_training as plan_training
from .refiner.refine import Refiner as Refiner
from .refiner.refine import refine as refine
from .timeline import Event as Event
from .train.config import load_config as load_config
from .train.loop import train_model as train_model

__version__: str
