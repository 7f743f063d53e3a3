"""``python web_demo/tools/serve.py``: serves the page on this computer alone."""

import argparse
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a script, from any folder

from hifigan_tf import cli
from hifigan_tf.errors import UserError

PAGE = Path(__file__).resolve().parents[1]


class Handler(SimpleHTTPRequestHandler):
    """Files with the types that browsers insist on, and never from the browser's cache."""

    extensions_map = {  # noqa: RUF012 - as in the base class
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".json": "application/json",
        ".svg": "image/svg+xml",
        ".wav": "audio/wav",
        ".tflite": "application/octet-stream",
    }

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_request(self, code="-", size="-") -> None:
        """Says nothing of what was served; errors are still told."""


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(prog="python web_demo/tools/serve.py", description=__doc__.split(": ")[1])
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one")
    parser.add_argument("--folder", type=Path, default=PAGE, help="the page")
    args = parser.parse_args(argv)
    try:
        server = ThreadingHTTPServer(("127.0.0.1", args.port), partial(Handler, directory=str(args.folder)))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or "ports go from 0 to 65535"
        raise UserError(
            f"port {args.port} cannot be used ({reason}): give another with --port, or make web PORT=…"
        ) from None
    print(f"http://localhost:{server.server_port}/ (Ctrl-C ends it)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    cli.run(main)
