"""MONAI Label's server with our log from its first line on.

`python -m lib.watch.start start_server …` takes the arguments of `monailabel`.
"""

from __future__ import annotations

from pathlib import Path

from monailabel import main as stock

from lib.watch.logs import LOG_FILE, check_format, write_logs


def start() -> None:
    """Set up the log, then start what MONAI Label would start."""
    server = stock.Main()
    asked = server.args_parser().parse_args()
    conf = dict(asked.conf or [])
    write_logs(check_format(conf.get("log_format", "auto")), Path(asked.app) / LOG_FILE)
    stock.init_log_config = lambda *_: None  # uvicorn would put MONAI Label's own handlers back
    server.run()


if __name__ == "__main__":
    start()
