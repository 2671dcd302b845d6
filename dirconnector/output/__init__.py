"""What people and programs are shown: text, Markdown and JSON on stdout, progress and logs on stderr."""
