"""What gateway and engine say to each other: typed messages of token ids, never text.

A frame is a 4-byte big-endian length followed by one msgpack-encoded message (msgspec tagged union). The two ends hold
one connected Unix stream socket; its closing is the signal that the other side is gone.
"""

import struct
from typing import Generic, Literal, TypeVar

import msgspec

MAX_FRAME = 256 * 1024 * 1024  # bytes; a longer frame can only be a broken peer
_LENGTH = struct.Struct(">I")


class Sampling(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the next token of one sequence is drawn. The result depends on nothing else in the batch."""

    seed: int = 0  # uint32
    temperature: float = 1.0  # 0 is greedy
    top_k: int = 0  # 0: all
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0  # over prompt and output (CTRL, arXiv:1909.05858)
    presence_penalty: float = 0.0  # over output only, as OpenAI defines it
    frequency_penalty: float = 0.0
    logit_bias: dict[int, float] = {}
    top_logprobs: int | None = None  # None: no logprobs; 0: of the drawn token only


class Grammar(msgspec.Struct, frozen=True, omit_defaults=True):
    """A constraint on the output, in llguidance's grammar format.

    `after`: the constraint starts behind the first occurrence of this token in the output (the end of reasoning);
    None: with the first token.
    """

    source: str
    after: int | None = None


class Thinking(msgspec.Struct, frozen=True, omit_defaults=True):
    """A limit to reasoning: behind `budget` tokens of it in one output, nothing but `closer` may follow.

    `opener` begins a block of reasoning and `closer` ends it; with `open` the prompt has begun one. Neither counts.
    `resume` follows a closer that came at the limit, and from the second time on `answer` follows that: else the model
    could open block after block.
    """

    budget: int
    closer: tuple[int, ...]
    opener: tuple[int, ...] = ()
    open: bool = False
    resume: tuple[int, ...] = ()
    answer: tuple[int, ...] = ()


class Cache(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where prefixes are kept. `ram_bytes` None: what the system can spare; 0: not at all."""

    ram_bytes: int | None = None
    ssd_folder: str = ""  # "": no SSD tier
    ssd_bytes: int = 0  # of the folder, over all models and processes
    codec: str = "plain"  # how stored keys and values are encoded
    label: str = ""  # the model's name for people


class Load(msgspec.Struct, frozen=True, tag="load", omit_defaults=True):
    """The first message to an engine process: what it serves and within which limits."""

    model: str  # directory of the checkpoint
    context: int  # tokens of prompt and output together
    max_batch: int = 0  # sequences decoded together; 0: by device
    max_waiting: int = 256  # sequences queued behind them; one more is refused as overloaded
    prefill_chunk: int = 0  # tokens; 0: by device
    prefill_budget_ms: float = 50.0  # of one prefill chunk while others decode
    dtype: str = "auto"  # float32, bfloat16, float16, or auto: float32 on a CPU, the checkpoint's elsewhere
    threads: int = 0  # of products on a CPU; 0: by cores
    activations: Literal["int8", "float32"] = "int8"  # what quantized weights meet on a CPU with native kernels
    cpu_level: str = "auto"  # instruction set of the CPU kernels; auto: the best there is; off: without them
    log_level: str = "info"
    cache: Cache = Cache()


class Generate(msgspec.Struct, frozen=True, tag="generate", omit_defaults=True):
    """One sequence.

    `boundaries`: positions in the prompt, ascending, 0 < p < its length, where the prompt of the next turn or of a
    sibling is likely to part from this one: prefill stops exactly there and a recurrent state is kept. `session`: the
    conversation that it belongs to, if known. `salt`: a namespace; what has another salt is never shared.
    """

    id: str
    prompt: list[int]
    max_tokens: int
    sampling: Sampling = Sampling()
    stop_ids: tuple[int, ...] = ()  # tokens that end the output; a grammar ends with one of them
    grammar: Grammar | None = None
    thinking: Thinking | None = None
    priority: int = 0  # lower is served first
    boundaries: tuple[int, ...] = ()
    session: str = ""
    salt: str = ""


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    id: str


class CacheQuery(msgspec.Struct, frozen=True, tag="cache_query"):
    """About the prefix cache; the answer has the same `id`: a CacheStats, CacheCleared, CacheExplanation, or Failed.

    stats, clear: all that is kept of this model, in memory and on disk. explain: why the prefix of the request
    `request` ended where it did; of the last one if that is "".
    """

    id: str
    what: Literal["stats", "clear", "explain"]
    request: str = ""


class CacheMatch(msgspec.Struct, frozen=True, tag="cache_match"):
    """What a request with this prompt would find in the prefix cache now; a CacheExplanation answers."""

    id: str
    prompt: list[int]
    session: str = ""
    salt: str = ""


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    nonce: int


class Drain(msgspec.Struct, frozen=True, tag="drain"):
    """Take no new work, finish what runs, then end the process."""


class Loading(msgspec.Struct, frozen=True, tag="loading"):
    """How far the weights are in memory, 0 to 1."""

    fraction: float
    note: str = ""


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The model is resident. `weight_bytes`: memory its weights take as loaded."""

    device: str
    dtype: str
    blas: str
    weight_bytes: int
    load_s: float
    max_batch: int
    notes: list[str] = []


class LoadFailed(msgspec.Struct, frozen=True, tag="load_failed"):
    message: str


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """Prompt tokens in the cache so far (`done` of `total`), `cached` of them without computing."""

    id: str
    done: int
    total: int
    cached: int = 0


class TokenLogprob(msgspec.Struct, frozen=True, array_like=True):
    token: int
    logprob: float
    top: list[tuple[int, float]] = []  # best first


class Tokens(msgspec.Struct, frozen=True, tag="tokens", omit_defaults=True):
    """Generated ids, in order; a stop id is never among them. `logprobs`, if asked for, has one entry per id."""

    id: str
    ids: list[int]
    logprobs: list[TokenLogprob] | None = None


class Timings(msgspec.Struct, frozen=True):
    """Seconds: waiting in the queue, from admission to the first token, from there to the last."""

    queue_s: float
    prefill_s: float
    decode_s: float


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    id: str
    reason: Literal["stop", "length", "cancelled"]
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int  # with the stop token, which is not in any Tokens
    timings: Timings


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The request is over without an answer. `kind` is one of `vivace.errors.Kind`."""

    id: str
    kind: Literal["invalid_request", "not_found", "prompt_too_long", "overloaded", "engine_failed"]
    message: str


class SsdStats(msgspec.Struct, frozen=True):
    """Counts since the engine began, but entries and sizes; `vivace.engine.cache.ssd.Stats` says what each is."""

    problem: str
    entries: int
    nbytes: int
    folder_bytes: int
    limit_bytes: int
    queued_bytes: int
    written_bytes: int
    dropped: int
    hits: int
    misses: int
    missing: int
    corrupt: int
    evicted: int
    read_bytes_per_s: float


class CacheStats(msgspec.Struct, frozen=True, tag="cache_stats"):
    """What is kept of a model's prompts.

    `problem`: why nothing can be kept, "" if it can. `prompt_tokens`: of all requests since the engine began,
    `cached_tokens` of them without computing. `nbytes` of at most `limit_bytes` now in memory: of `idle` conversations
    as they were, of `blocks` and of `snapshots` of recurrent state. `ssd` None: there is no SSD tier.
    """

    id: str
    problem: str
    prompt_tokens: int
    cached_tokens: int
    nbytes: int
    limit_bytes: int
    idle: int
    blocks: int
    snapshots: int
    evicted: int
    ssd: SsdStats | None


class CacheCleared(msgspec.Struct, frozen=True, tag="cache_cleared"):
    """Bytes of memory and of disk that are free again."""

    id: str
    freed_bytes: int


Reason = Literal[
    "whole_prompt",  # all but its end, which is always computed
    "never_stored",  # nothing that is kept goes on from there
    "diverged",  # what is kept goes on with other tokens
    "evicted",  # it was kept and had to go
    "other_salt",  # it is kept, for requests with another salt
    "no_state",  # it is kept, but a prefix of this model can end only where its state was kept too
    "read_failed",  # what the index of the SSD tier named could not be read
    "slower_to_read",  # from the SSD tier, than to compute
    "not_kept",  # prefixes of this model cannot be kept
]


class Origins(msgspec.Struct, frozen=True):
    """Where cached tokens came from: the slabs of a running or an ended sequence, blocks in memory, the SSD tier."""

    running: int = 0
    idle: int = 0
    ram: int = 0
    ssd: int = 0


class CacheExplanation(msgspec.Struct, frozen=True, tag="cache_explanation"):
    """Why a prefix ended after `cached_tokens` of `prompt_tokens`.

    `agrees`: the prompt's first token that is not like those of the nearest path that is kept. `before`: the tokens in
    front of it, the same on both sides; `mine`, `theirs`: the prompt's from there on and those of that path, which has
    none where it ends there. `there`: up to where the prefix could have gone, had `reason` not been.
    """

    id: str
    request: str
    prompt_tokens: int
    cached_tokens: int
    agrees: int
    there: int
    reason: Reason
    origins: Origins
    before: list[int]
    mine: list[int]
    theirs: list[int]
    detail: str = ""


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    """`steps` grows with every pass of the step loop; with `busy` and no growth the engine is stuck."""

    nonce: int
    steps: int
    busy: bool
    running: int
    waiting: int
    memory_bytes: int


Message = TypeVar("Message")

ToEngine = Load | Generate | Cancel | CacheQuery | CacheMatch | Ping | Drain
CacheAnswer = CacheStats | CacheCleared | CacheExplanation
FromEngine = Loading | Ready | LoadFailed | Progress | Tokens | Finished | Failed | CacheAnswer | Pong

_encoder = msgspec.msgpack.Encoder()
to_engine_decoder = msgspec.msgpack.Decoder(ToEngine)
from_engine_decoder = msgspec.msgpack.Decoder(FromEngine)


class ProtocolError(Exception):
    """The bytes are no frame of this protocol: the connection cannot be used any further."""


def encode(message: ToEngine | FromEngine) -> bytes:
    """One frame."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


class FrameReader(Generic[Message]):
    """Cuts a byte stream into messages, whatever the pieces it arrives in."""

    def __init__(self, decoder: "msgspec.msgpack.Decoder[Message]") -> None:
        self._decoder = decoder
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """All messages that `data` completes.

        Raises:
            ProtocolError: a frame is longer than MAX_FRAME or is no message.
        """
        self._buffer += data
        messages: list[Message] = []
        at = 0
        while len(self._buffer) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, at)
            if length > MAX_FRAME:
                raise ProtocolError(f"a frame of {length} bytes; the limit is {MAX_FRAME}")
            end = at + _LENGTH.size + length
            if len(self._buffer) < end:
                break
            try:
                messages.append(self._decoder.decode(memoryview(self._buffer)[at + _LENGTH.size : end]))
            except msgspec.DecodeError as error:
                raise ProtocolError(str(error)) from error
            at = end
        del self._buffer[:at]
        return messages
