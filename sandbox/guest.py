"""The programs that run inside a container, each fed one line of JSON on stdin. They are text: the image lacks outlay.

All of them read their order before they print, and none of them trusts a name that a command may have planted.
"""

RUN = r"""
import ctypes, json, os, selectors, signal, subprocess, sys, time

def refuse(error):
    reply(127, {1: b"", 2: f"{order['argv'][0]}: {error}\n".encode(errors="replace")}, 0)

def reply(code, kept, dropped):
    head = {"code": code, "sizes": [len(kept[1]), len(kept[2])], "dropped": dropped}
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + kept[1] + kept[2])
    sys.stdout.buffer.flush()
    os._exit(0)

def close(stream):
    selector.unregister(stream)
    stream.close()

def pump(block_s):
    global sent, dropped
    for key, _ in selector.select(block_s):
        if key.data == 0:
            try: sent += os.write(key.fd, body[sent:sent + 65536])
            except BrokenPipeError: sent = len(body)
            if sent == len(body): close(key.fileobj)
        elif chunk := os.read(key.fd, 65536):
            room = max(0, order["cap"] - len(kept[key.data]))
            kept[key.data] += chunk[:room]
            dropped += max(0, len(chunk) - room)
        else: close(key.fileobj)

def kill_descendants():
    # As subreaper this process inherits what a command left, also from other sessions.
    until = time.monotonic() + 5
    while time.monotonic() < until:
        for pid in open(f"/proc/self/task/{os.getpid()}/children").read().split():
            os.kill(int(pid), signal.SIGKILL)
        try: os.waitpid(-1, 0)
        except ChildProcessError: return

order = json.loads(sys.stdin.buffer.readline())
body = memoryview(sys.stdin.buffer.read(order["stdin"]))
kept, dropped, sent = {1: bytearray(), 2: bytearray()}, 0, 0
PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
pipe = subprocess.PIPE
try: child = subprocess.Popen(order["argv"], stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True)
except OSError as error: refuse(error.strerror)
except ValueError as error: refuse(error)
os.set_blocking(child.stdin.fileno(), False)
selector = selectors.DefaultSelector()
selector.register(child.stdin, selectors.EVENT_WRITE, 0)
selector.register(child.stdout, selectors.EVENT_READ, 1)
selector.register(child.stderr, selectors.EVENT_READ, 2)
end = time.monotonic() + order["wall_s"]
while child.poll() is None and (left := end - time.monotonic()) > 0:
    if selector.get_map():
        pump(min(left, 0.02))  # looks up now and then: a background child may hold the pipes of a finished command
        continue
    try: child.wait(left)
    except subprocess.TimeoutExpired: pass
code = child.poll()
try: os.killpg(child.pid, signal.SIGKILL)
except ProcessLookupError: pass
kill_descendants()
end = time.monotonic() + 2
while selector.get_map() and time.monotonic() < end: pump(0.1)
reply(code if code is None or code >= 0 else 128 - code, kept, dropped)
"""
"""Runs a command in a session of its own, keeps the first bytes of its output, ends with all its descendants dead.

It answers on stdout: a line of JSON, then the kept stdout and stderr. The command runs as the same user and could
forge the answer, which gains it nothing: exit code and output are its own to choose anyway.
"""

FILES = r"""
import base64, json, os, secrets, stat, sys
order = json.loads(sys.stdin.readline())
flags = os.O_NOFOLLOW | os.O_CLOEXEC
def reply(answer):
    print(json.dumps(answer)); sys.exit(0)
folder = os.open("/work", os.O_RDONLY | os.O_DIRECTORY)
*folders, name = order["parts"]
draft = None
try:
    for part in folders:
        if order["verb"] == "write":
            try: os.mkdir(part, dir_fd=folder)
            except FileExistsError: pass
        folder = os.open(part, os.O_RDONLY | os.O_DIRECTORY | flags, dir_fd=folder)
    if order["verb"] == "write":
        draft = "." + secrets.token_hex(8)
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | flags, 0o644, dir_fd=folder)
        with os.fdopen(file, "wb") as stream: stream.write(base64.b64decode(order["body"]))
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
        reply({})
    file = os.open(name, os.O_RDONLY | os.O_NONBLOCK | flags, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(file).st_mode): reply({"refused": "it is no regular file"})
    with os.fdopen(file, "rb") as stream: body = stream.read(order["cap"] + 1)
    if len(body) > order["cap"]: reply({"refused": "it is too large"})
    reply({"body": base64.b64encode(body).decode()})
except FileNotFoundError: reply({"missing": True})
except OSError as error:
    if draft:
        try: os.unlink(draft, dir_fd=folder)
        except OSError: pass
    reply({"refused": f"it is no regular file ({error.strerror})"})
"""
"""Reads or writes one regular file of the workspace, one name at a time, through no link."""

LIST = r"""
import json, os, sys
sys.stdin.readline()
found = []
for folder, _, names in os.walk("/work"):
    for name in names:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and not os.path.islink(path): found.append(os.path.relpath(path, "/work"))
print(json.dumps(sorted(found)))
"""
