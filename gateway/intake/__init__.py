"""Files that people have, to messages: JSON lines, CSV, downloads from PRaP, uploads."""
