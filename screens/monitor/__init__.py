"""The AB monitor, and what it opens about an AB: detail, log, cascade, QC, why; forecast and widths."""
