"""Which conversation a request belongs to, as clients say it in their headers."""

from collections.abc import Mapping

# First those that tell the agents of one session apart. Not x-client-request-id: OpenAI's SDKs make one per request.
HEADERS = (
    "thread-id",  # Codex CLI, one for each agent of a session
    "session-id",  # Codex CLI
    "session_id",  # Codex CLI until 2026
    "conversation_id",  # Codex CLI of 2025
    "x-claude-code-session-id",  # Claude Code
    "x-session-id",  # OpenCode, which gives a sub-agent its own
    "x-session-affinity",  # OpenCode, Kilo Code
    "x-opencode-session",
    "x-openwebui-chat-id",  # Open WebUI with ENABLE_FORWARD_USER_INFO_HEADERS
    "x-conversation-id",
)
MAX_LENGTH = 512


def session_of(headers: Mapping[str, str]) -> str:
    """The conversation's name, or nothing. What is too long to be one is passed over: a header is only a hint."""
    found = (headers.get(name, "").strip() for name in HEADERS)
    return next((value for value in found if 0 < len(value) <= MAX_LENGTH), "")
