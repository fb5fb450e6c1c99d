"""A door between us and the Docker engine that can be made to stall or to fail; the engine itself is left in peace."""

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
METHODS = (b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ")


class EngineProxy:
    """Forwards every connection, while `flowing` is set; answers requests itself while `failing` is set."""

    def __init__(self, address: str, engine: str) -> None:
        self.address = address
        """For DOCKER_HOST."""
        self._engine = engine
        self.flowing, self.failing = Event(), Event()
        self.flowing.set()

    def serve(self, listener: socket.socket) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                ours, _ = listener.accept()
                Thread(target=self._connect, args=(ours,), daemon=True).start()

    def _connect(self, ours: socket.socket) -> None:
        theirs = socket.socket(socket.AF_UNIX)
        with closing(ours), closing(theirs):
            theirs.connect(self._engine)
            back = Thread(target=self._pump, args=(theirs, ours), daemon=True)
            back.start()
            self._pump(ours, theirs)
            back.join()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        """To the end of the source; what arrives during a stall is delivered after it, as a stalled engine would."""
        with suppress(OSError):
            while chunk := source.recv(1 << 16):
                self.flowing.wait()
                if self.failing.is_set() and chunk.startswith(METHODS):
                    source.sendall(FAILED)
                    break
                sink.sendall(chunk)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def engine_proxy() -> Iterator[EngineProxy]:
    """One that listens; its folder has a short name, as the kernel wants for sockets."""
    with tempfile.TemporaryDirectory(prefix="proxy-") as folder, socket.socket(socket.AF_UNIX) as listener:
        path = str(Path(folder, "engine.sock"))
        listener.bind(path)
        listener.listen()
        engine = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
        proxy = EngineProxy(f"unix://{path}", engine)
        Thread(target=proxy.serve, args=(listener,), daemon=True).start()
        try:
            yield proxy
        finally:
            proxy.flowing.set()
            listener.shutdown(socket.SHUT_RDWR)
