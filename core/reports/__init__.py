"""Parts of reports that people read: HTML pages that need no other file, and figures as PNG.

What a page shows comes from its package; this one knows tables, pictures and headings.
"""
