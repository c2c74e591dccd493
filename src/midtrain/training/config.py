"""What a recipe may say about one stage of training.

A stage is data (tokens, mixture, packing, context and RoPE), a schedule, an optimizer, an objective, what may move
(trainable patterns) and what is carried over from the stage before. The defaults are settings that are known to work
for mid-training: AdamW 0.9/0.95 with 0.1 weight decay, clipping at 1, a decay over the whole stage with the shape
1 - sqrt (arXiv:2405.18392), and the peak taken from where the base's pretraining stopped.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from midtrain.core.config import Config, Size
from midtrain.models.config import RopeConfig
from midtrain.tokens.config import MixtureConfig, PackingConfig

Shape = Literal["constant", "linear", "cosine", "1-sqrt", "exponential", "power"]


TrackerKind = Literal["tensorboard", "trackio", "wandb", "mlflow"]
"""Dashboards that can be sent what the journal says (trackers.py)."""


class DecayConfig(Config):
    """How the learning rate comes down."""

    shape: Shape = "1-sqrt"
    """The curve; 1-sqrt equals or beats cosine and linear at the same tokens in most comparisons."""
    share: float = Field(default=1.0, ge=0.0, le=1.0)
    """Share of the stage spent decaying, at its end; 1.0 is a pure anneal, 0.2 a warmup-stable-decay run."""
    half: float = Field(default=0.2, gt=0.0)
    """exponential only: the share of the decay in which the rate halves."""
    power: float = Field(default=-0.51, lt=0.0)
    """power only: the exponent b of (step / first decaying step)^b, the Power scheduler's law (arXiv:2408.13359)."""


class ScheduleConfig(Config):
    """Warmup, a stable phase, a decay: the learning rate of every step as a pure function."""

    peak: float | Literal["inherit"] = "inherit"
    """The highest learning rate; `inherit` takes the one at which the base's pretraining stopped."""
    warmup: float = Field(default=0.0, ge=0.0)
    """How long the rate climbs to the peak: below 1 a share of the stage, otherwise a whole number of steps."""
    decay: DecayConfig = DecayConfig()
    """How it comes down; give share: 0 to hold the peak to the end."""
    final: float = Field(default=0.0, ge=0.0, le=1.0)
    """Where the decay ends, as a fraction of the peak; reached when the stage is over, so its last step still moves."""

    @field_validator("peak")
    @classmethod
    def _positive(cls, peak: float | str) -> float | str:
        if not isinstance(peak, str) and not 0 < peak < 10:
            raise ValueError('must be a learning rate above 0 (such as 3e-4), or "inherit"')
        return peak

    @field_validator("warmup")
    @classmethod
    def _warmup(cls, warmup: float) -> float:
        if warmup > 1 and warmup != int(warmup):
            raise ValueError("must be a share of the stage below 1 or a whole number of steps")
        return warmup

    @model_validator(mode="after")
    def _fits(self) -> ScheduleConfig:
        if self.warmup < 1 and self.decay.share < 1 and self.warmup + self.decay.share > 1:
            raise ValueError(f"warmup {self.warmup} and decay.share {self.decay.share} take more than the whole stage")
        return self


class AverageConfig(Config):
    """The average of a stage's weights as its result (see averaging.py)."""

    kind: Literal["ema", "last", "wsm"]
    """ema: a moving average over all steps. last: the plain mean of points at the end. wsm: points weighted so that
    they stand for a decay of the learning rate, which is then held; takes schedule.decay.share: 0."""
    decay: float = Field(default=0.995, gt=0.0, lt=1.0)
    """ema only: what stays of the average at each step; 0.995 as in Marin's 8B run."""
    share: float = Field(default=0.2, gt=0.0, le=1.0)
    """last and wsm: the share of the stage, at its end, over which the points lie; as long as a decay would be."""
    points: int = Field(default=10, ge=1)
    """last and wsm: how many points; about 10 is enough (arXiv:2505.12082)."""
    curve: DecayConfig = DecayConfig()
    """wsm only: the decay that is stood for; its own `share` is not used."""
    final: float = Field(default=0.0, ge=0.0, le=1.0)
    """wsm only: where that decay ends, as a fraction of the peak."""


class SpikesConfig(Config):
    """What happens to steps whose loss or gradient is far above what it has been (see spikes.py)."""

    window: int = Field(default=128, ge=2)
    """Accepted steps that say what is usual; half of them must be there before anything but a number that is not
    finite is a spike. 128 as in OLMo-core."""
    sigmas: float = Field(default=6.0, gt=0.0)
    """Standard deviations above the mean of the window at which a step is skipped; 6 as in OLMo-core."""
    quarantine: bool = True
    """Whether the documents behind a skipped step are learned from no more in this stage."""
    patience: int = Field(default=8, ge=1)
    """Skipped steps in a row after which the run goes back to the last checkpoint before them, and on behind them."""
    rollbacks: int = Field(default=3, ge=0)
    """How often it goes back before the run ends with what is there."""


class OptimizerConfig(Config):
    """AdamW (arXiv:1711.05101) with fp32 state, or Muon for hidden matrices and AdamW for the rest (see muon.py)."""

    later: ClassVar[frozenset[str]] = frozenset({"kind", "momentum", "warm_in"})

    kind: Literal["adamw", "muon"] = "adamw"
    """muon orthogonalises the updates of hidden matrices, at AdamW's rates and decay."""
    momentum: float = Field(default=0.95, ge=0.0, lt=1.0)
    """muon only: what stays of its moving average of gradients at each step; 0.95 as its author has it."""
    warm_in: int = Field(default=0, ge=0)
    """Where there are no moments to take over: gather them over so many batches at a rate of 0 before the first step.
    A base without training state is spared the large first steps of empty moments (see bootstrap.py)."""
    betas: tuple[float, float] = (0.9, 0.95)
    """Decay of the first and second moments."""
    eps: float = Field(default=1e-8, gt=0.0)
    """Added to the root of the second moment."""
    weight_decay: float = Field(default=0.1, ge=0.0)
    """Decoupled decay of matrices; norms, biases and embeddings are never decayed."""
    clip: float | None = Field(default=1.0, gt=0.0)
    """Largest global gradient norm; null does not clip."""

    @field_validator("betas")
    @classmethod
    def _betas(cls, betas: tuple[float, float]) -> tuple[float, float]:
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError("must both be at least 0 and below 1, such as [0.9, 0.95]")
        return betas


class ObjectiveConfig(Config):
    """Next-token prediction: weighted negative log-likelihoods, over the sum of weights of the whole batch."""

    z_loss: float = Field(default=0.0, ge=0.0)
    """Weight of logsumexp^2 (PaLM, arXiv:2204.02311), which keeps logits from drifting; 1e-5 is usual, 0 is off."""


Carry = Literal["keep", "reset"]


class CarryConfig(Config):
    """What a stage takes over from the stage before or the base: each thing by name, so none comes along unseen."""

    weights: Carry = "keep"
    """The model. `reset` initialises it anew from the seed."""
    moments: Carry = "keep"
    """Adam's two moving averages, where the stage before (or the base's optimizer.safetensors) has them. With
    weights: reset they are always reset."""
    step_counters: Carry = "keep"
    """Adam's step counts, which correct the bias of young moments; goes with the moments."""
    hyperparameters: Carry = "reset"
    """`keep` trains with the old peak learning rate, betas, eps, weight decay and clipping, whatever is written here;
    `reset` uses this stage's own."""
    schedule_position: Carry = "reset"
    """`keep` goes on in the schedule where the stage before stopped, as if both were one long stage; `reset` begins
    it anew."""
    data_position: Carry = "reset"
    """`keep` goes on in the order of the documents where the stage before stopped; `reset` reads from the beginning."""


_MICRO_TOKENS = 4096


class StageConfig(Config):
    """One stage: which tokens, in which order, at which learning rate, moving what."""

    later: ClassVar[frozenset[str]] = frozenset({"average", "spikes", "hang_after"})

    kind: Literal["train"] = "train"
    """Next-token training."""
    tokens: Size = Field(gt=0)
    """Tokens to train on, padding included; rounded down to whole batches."""
    context: int = Field(default=2048, ge=8)
    """Tokens of one row; documents are packed into rows and never see each other."""
    batch_tokens: Size = Field(gt=0)
    """Tokens of one optimizer step: a whole number of rows."""
    micro_tokens: Size | None = None
    """Tokens that go through the model at once; less needs less memory. Unset: as many rows as fit into 4096,
    beyond which two cores get slower; a GPU wants as many as its memory holds."""
    mixture: MixtureConfig
    """Which share of the tokens comes from which source, possibly over time."""
    packing: PackingConfig = PackingConfig()
    """How documents are laid into rows."""
    rope: RopeConfig | None = None
    """A change of the rotary position embedding, for a longer context."""
    schedule: ScheduleConfig = ScheduleConfig()
    """The learning rate."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """What moves the weights."""
    objective: ObjectiveConfig = ObjectiveConfig()
    """What is minimised."""
    average: AverageConfig | None = None
    """An average of the weights as the stage's result: exported, and taken over by the next stage; null has none."""
    spikes: SpikesConfig | None = None
    """Skip steps that would do harm, quarantine their documents, go back when it does not end; null ends the stage at
    the first loss that is not a number, and lets everything else through."""
    trainable: list[str] = Field(default=["*"], min_length=1)
    """Patterns of parameter names that may change ("*mlp*", "lm_head.*"); everything else stays as it is."""
    carry: CarryConfig = CarryConfig()
    """What is taken over from the stage before."""
    checkpoint_every: int = Field(default=100, ge=1)
    """Steps between checkpoints; at most this much work is lost by a kill. Does not change the result."""
    keep_checkpoints: int = Field(default=2, ge=1)
    """How many checkpoints stay on disk. Does not change the result."""
    log_every: int = Field(default=10, ge=1)
    """Steps between lines of the log and the journal. Does not change the result."""
    hang_after: float | None = Field(default=100.0, gt=1.0)
    """Median steps (and at least five minutes) without a step after which the run shows where it hangs, and ends; null
    never does. Does not change the result."""

    @model_validator(mode="after")
    def _whole_rows(self) -> StageConfig:
        for name in ("batch_tokens", "micro_tokens"):
            tokens = getattr(self, name)
            if tokens is not None and (tokens < self.context or tokens % self.context):
                near = max(1, round(tokens / self.context)) * self.context
                raise ValueError(
                    f"{name} is {tokens}, not a whole number of {self.context}-token rows; {near} would be"
                )
        if self.tokens < self.batch_tokens:
            raise ValueError(f"tokens is {self.tokens}, less than one batch of {self.batch_tokens}")
        if self.schedule.warmup >= max(1, self.num_steps):
            raise ValueError(f"schedule.warmup is {self.schedule.warmup:g} steps, but the stage has {self.num_steps}")
        wsm = self.average is not None and self.average.kind == "wsm"
        if wsm and self.schedule.decay.share > 0 and self.schedule.decay.shape != "constant":
            raise ValueError(
                "average.kind: wsm stands for a decay, so it would decay twice; set schedule.decay.share: 0"
            )
        return self

    @property
    def num_steps(self) -> int:
        """Optimizer steps of the stage."""
        return self.tokens // self.batch_tokens

    @property
    def batch_sequences(self) -> int:
        """Rows of one optimizer step."""
        return self.batch_tokens // self.context

    @property
    def micro_sequences(self) -> int:
        """Rows that go through the model at once."""
        default = max(1, _MICRO_TOKENS // self.context)
        asked = self.micro_tokens // self.context if self.micro_tokens else default
        return min(asked, self.batch_sequences)
