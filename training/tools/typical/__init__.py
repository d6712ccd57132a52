"""About forty tools that assistants usually have."""

from training.tools.typical import assistant, bookings, numbers, records

TYPICAL = [*assistant.TOOLS, *numbers.TOOLS, *bookings.TOOLS, *records.TOOLS]
