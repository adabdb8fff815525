"""``brodmann atlas``: the atlas of results that are there: made, packed in one file, or served."""

from __future__ import annotations

import argparse
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from brodmann.atlas.write import PAGE, write_atlas, write_single
from brodmann.errors import UserError

_HERE = "127.0.0.1"
_PORT = 8000


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    says = "folder of a finished study's results (default: results)"
    parser.add_argument("results", nargs="?", default="results", metavar="RESULTS", help=says)
    how = parser.add_mutually_exclusive_group()
    says = "write the whole atlas into this file, and nothing else"
    how.add_argument("--single-file", metavar="OUT", help=says)
    says = f"show it at a port of this machine alone (default: {_PORT}), for folders too large for a file"
    how.add_argument("--serve", nargs="?", type=_port, const=_PORT, metavar="PORT", help=says)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"must be a port from 0 to 65535, not '{text}'")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Make the atlas in RESULTS/atlas, or serve what is there."""
    page = Path(options.results, "atlas", PAGE)
    _make(options, page)
    if options.serve is not None:
        _serve(page.parent, options.serve)
    return 0


def _make(options: argparse.Namespace, page: Path) -> None:
    if options.single_file is not None:
        write_single(options.single_file, options.results)
        size = Path(options.single_file).stat().st_size / 1e6
        print(f"The atlas: {Path(options.single_file).resolve()} ({size:.0f} MB)")
    elif options.serve is None or not page.is_file():
        write_atlas(page, results=options.results)
        print(f"The atlas: {page.resolve()}")


class _Quiet(SimpleHTTPRequestHandler):
    """Without a line for every request."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """Serves a folder to this machine alone; port 0 is any that is free."""
    try:
        return ThreadingHTTPServer((_HERE, port), partial(_Quiet, directory=str(folder)))
    except OSError as error:
        what = f"port {port} cannot be had: {error.strerror}"
        raise UserError.at("--serve", what, "give another, or 0 for any that is free") from None


def _serve(folder: Path, port: int) -> None:
    with server(folder, port) as serving:
        print(f"http://{_HERE}:{serving.server_port}/ (Ctrl-C ends it)", flush=True)
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            print()
