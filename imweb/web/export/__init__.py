"""The whole of a frozen list as a file, in constant memory."""
