"""Hard caps of the mail parser. Every one is reached only by broken or hostile mail.

Sizes are bytes unless the name says otherwise. A mail over a cap is never refused: what is over is cut
from the parsed view, a problem says so, and the raw mail stays as it came.
"""

RAW_PARSED = 30 * 1024 * 1024

HEADERS_TOTAL = 256 * 1024
HEADERS_SCANNED = 8 * 1024 * 1024
HEADER_FIELD = 32 * 1024
HEADER_COUNT = 500
ENCODED_WORDS = 200
ENCODED_WORD_LENGTH = 8000
REFERENCES = 100
MESSAGE_ID_CHARS = 998
RECIPIENTS = 200
SUBJECT_CHARS = 500
DISPLAY_NAME_CHARS = 200
ADDRESS_CHARS = 320

MIME_DEPTH = 20
MIME_PARTS = 200
ATTACHMENTS = 100
FILE_NAME_BYTES = 200
CONTENT_TYPE_CHARS = 127

TEXT_CHARS = 1_000_000
HTML_CHARS = 1_000_000
HTML_CLEANED_CHARS = 4_000_000
HTML_NESTING = 256
HTML_TAGS = 60_000
HTML_TAG_ATTRIBUTES = 1000
# Unclosed <font>s are opened again in every later block: their number times the number of tags bounds the
# size of the tree that a browser-grade parser builds.
HTML_REOPENED_NODES = 2_000_000
QUOTE_LINES = 10_000
TNEF_BYTES = 16 * 1024 * 1024

CHILD_MEMORY = 512 * 1024 * 1024
CHILD_CPU_SECONDS = 5
CHILD_WALL_SECONDS = 10.0
CHILD_MAILS = 5000
CHILD_RESIDENT = 200 * 1024 * 1024
