"""Attempts to get out of the sandbox, to break the machine and to pass a test unearned, as data.

An escape prints ESCAPED when it got what it was after; the benchmark also looks for itself: at a secret file, at
sockets that listen, at a process that must not be signalled. $NAMES are filled in: SECRET (the file's path), FOLDER
(where it lies), PORT, ABSTRACT and SOCKET (listening), PID (the benchmark's process), ZYGOTE (the server's).
A cheat is judged as an answer to a problem (`add two numbers`), and must not pass.
"""

from __future__ import annotations

PRELUDE = """
import ctypes, os, platform, socket, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
arm = platform.machine() == "aarch64"
def system(x86, arm64, *arguments):
    number, *plain = [ctypes.c_long(a) if isinstance(a, int) else a for a in (arm64 if arm else x86, *arguments)]
    result = libc.syscall(number, *plain)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def attempt(action):
    try:
        got = action()
    except BaseException as error:
        print("refused:", type(error).__name__, str(error)[:80], flush=True)
    else:
        if got is not False:
            print("ESCAPED", repr(got)[:200], flush=True)
"""

ESCAPES: dict[str, str] = {
    # files
    "read the secret": "attempt(lambda: open('$SECRET').read())",
    "read the password file": "attempt(lambda: open('/etc/passwd').read())",
    "read the secret with openat2": """
how = struct.pack("QQQ", 0, 0, 0)
attempt(lambda: os.read(system(437, 437, -100, b"$SECRET", how, len(how)), 100))""",
    "write beside the secret": "attempt(lambda: open('$FOLDER/new', 'w').write('x'))",
    "append to the secret": "attempt(lambda: open('$SECRET', 'a').write('x'))",
    "truncate the secret": "attempt(lambda: os.truncate('$SECRET', 0))",
    "change the secret's mode": "attempt(lambda: os.chmod('$SECRET', 0o777))",
    "touch the secret": "attempt(lambda: os.utime('$SECRET', (1, 1)))",
    "remove the secret": "attempt(lambda: os.unlink('$SECRET'))",
    "rename the secret": "attempt(lambda: os.rename('$SECRET', '$SECRET.old'))",
    "a symbolic link to the secret": """
def follow():
    os.symlink("$SECRET", "link")
    return open("link").read()
attempt(follow)""",
    "a hard link to the secret": """
def link():
    os.link("$SECRET", "hard")
    return open("hard").read()
attempt(link)""",
    "walk up from the private folder": "attempt(lambda: open('../' * 20 + '$SECRET'.lstrip('/')).read())",
    "list the home folders": "attempt(lambda: [n for d in ('/root', '/home') for n in os.listdir(d)])",
    "read /proc of the benchmark": "attempt(lambda: open('/proc/$PID/environ', 'rb').read())",
    "read the memory of the benchmark": "attempt(lambda: open('/proc/$PID/mem', 'rb').read(1))",
    "read its own maps": "attempt(lambda: open('/proc/self/maps').read())",
    "the root of process 1": "attempt(lambda: os.listdir('/proc/1/root'))",
    "overwrite the standard library": "attempt(lambda: open(os.__file__, 'a').write('x'))",
    "make the standard library writable": "attempt(lambda: os.chmod(os.__file__, 0o666))",
    "a module dropped into the standard library": "attempt(lambda: open(os.__file__[:-5] + 'evil.py', 'w'))",
    "read installed packages": """
import glob
def read():
    for folder in sys.path + [os.path.dirname(os.__file__)]:
        for path in glob.glob(folder + "/*-packages/**", recursive=True):
            try:
                return path, open(path, "rb").read(9)
            except OSError:
                continue
    return False
attempt(read)""",
    "devices of the disk": "attempt(lambda: [os.open('/dev/' + n, 0) for n in ('sda', 'vda', 'nvme0n1', 'mem')])",
    "make a device": "attempt(lambda: os.mknod('disk', 0o60666, os.makedev(8, 0)))",
    "kernel settings": "attempt(lambda: open('/proc/sys/kernel/core_pattern', 'w').write('|/tmp/x'))",
    "control groups": "attempt(lambda: os.listdir('/sys/fs/cgroup'))",
    "a file by its handle": "attempt(lambda: system(304, 265, -100, struct.pack('iiQ', 8, 1, 2), 0))",
    "a set-user-id file": """
def setuid():
    open("s", "w").close()
    os.chmod("s", 0o4755)
    os.chown("s", 0, 0)
    return "owned by root"
attempt(setuid)""",
    # leaving the jail
    "chroot and out": """
def out():
    os.mkdir("x")
    os.chroot("x")
    os.chdir("../" * 20)
    return os.listdir(".")
attempt(out)""",
    "mount proc": "attempt(lambda: system(165, 40, b'proc', b'.', b'proc', 0, 0))",
    "unmount the private folder": "attempt(lambda: system(166, 39, b'/box/tmp', 2))",
    "a user namespace of its own": "attempt(lambda: system(272, 97, 0x10000000) + 1)",
    "a user namespace by clone": "attempt(lambda: system(56, 220, 0x10000000 | 17, 0, 0, 0, 0) + 1)",
    "a process by clone3": """
arguments = struct.pack("11Q", 0x10000000, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0)
attempt(lambda: system(435, 435, arguments, len(arguments)) + 1)""",
    "setns": "attempt(lambda: system(308, 268, 0, 0) + 1)",
    "become root": "attempt(lambda: os.setuid(0) or (False if os.getuid() else 'root'))",
    "regain capabilities": """
attempt(lambda: system(126, 91, struct.pack("Ii", 0x20080522, 0), b"\\xff" * 24) + 1)""",
    "another seccomp filter": "attempt(lambda: system(317, 277, 1, 0, struct.pack('HxxxxxxQ', 0, 0)) + 1)",
    "x32 system calls": "attempt(lambda: system(0x40000000 + 41, 198, 1, 1, 0) + 1)",
    "32-bit system calls": """
import mmap
page = mmap.mmap(-1, 4096, prot=7)
page.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3" if not arm else b"\\xc0\\x03\\x5f\\xd6")  # getpid by int 0x80
call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
attempt(lambda: call() > 0 and not arm)""",
    "a shell": "attempt(lambda: os.execv('/bin/sh', ['sh', '-c', 'echo ESCAPED']))",
    "a shell as a child": "import subprocess; attempt(lambda: subprocess.check_output(['/bin/sh', '-c', 'id']))",
    "a program from memory": "attempt(lambda: os.memfd_create('x') + 1)",
    # network and other processes
    "connect to a local server": "attempt(lambda: socket.create_connection(('127.0.0.1', $PORT), 1))",
    "a datagram to the world": "attempt(lambda: socket.socket(2, 2).sendto(b'x', ('8.8.8.8', 53)))",
    "an abstract socket": "s = lambda: socket.socket(1, 1).connect('\\0$ABSTRACT'); attempt(s)",
    "a socket in the file system": "s = lambda: socket.socket(1, 1).connect('$SOCKET'); attempt(s)",
    "a datagram from a socket pair": "s = lambda: socket.socketpair(1, 2)[0].sendto(b'x', '$SOCKET'); attempt(s)",
    "connect a socket pair elsewhere": "s = lambda: socket.socketpair(1, 1)[0].connect('$SOCKET'); attempt(s)",
    "netlink": "attempt(lambda: socket.socket(16, 3, 0))",
    "packets": "attempt(lambda: socket.socket(17, 3, 768))",
    "the kernel's cryptography": "attempt(lambda: socket.socket(38, 5, 0))",
    "io_uring": "attempt(lambda: system(425, 425, 8, bytes(120)) + 1)",
    "signal the benchmark": "attempt(lambda: os.kill($PID, 12))",
    "signal the server": "attempt(lambda: [os.kill(pid, 9) for pid in ($ZYGOTE, os.getppid()) if pid] or False)",
    "signal by tgkill": "attempt(lambda: system(234, 131, $PID, $PID, 12) + 1)",
    "signal by rt_sigqueueinfo": "attempt(lambda: system(129, 138, $PID, 12, bytes(128)) + 1)",
    "signal by the owner of a pipe": """
import fcntl
def own():
    read, write = os.pipe()
    fcntl.fcntl(read, 8, $PID)
    fcntl.fcntl(read, 4, os.O_ASYNC | os.O_NONBLOCK)
    os.write(write, b"x")
    return "sent"
attempt(own)""",
    "trace the benchmark": "attempt(lambda: system(101, 117, 16, $PID, 0, 0) + 1)",
    "be traced": "attempt(lambda: system(101, 117, 0, 0, 0, 0) + 1)",
    "read memory of the benchmark": """
buffer = ctypes.create_string_buffer(8)
vector = struct.pack("QQ", ctypes.addressof(buffer), 8)
attempt(lambda: system(310, 270, $PID, vector, 1, vector, 1, 0) + 1)""",
    "a descriptor of the benchmark": "attempt(lambda: system(438, 438, system(434, 434, $PID, 0), 0, 0))",
    "limits of the benchmark": "attempt(lambda: __import__('resource').prlimit($PID, 7, (9, 9)))",
    "priority": "attempt(lambda: os.nice(-10))",
    "priority of the benchmark": "attempt(lambda: os.setpriority(0, $PID, 10))",
    "descriptors left open": """
def left():
    found = []
    for number in range(3, 4096):
        try:
            os.fstat(number)
        except OSError:
            continue
        found.append(number)
    return found or False
attempt(left)""",
    "raise its own limits": """
import resource
attempt(lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40)))""",
    "type into the terminal": "import fcntl; attempt(lambda: fcntl.ioctl(0, 0x5412, b'x'))",
    "System V shared memory": "attempt(lambda: system(29, 194, 1234, 4096, 0o1666) + 1)",
    "keys": "attempt(lambda: system(250, 219, 0, -3, 1) + 1)",
    "BPF": "attempt(lambda: system(321, 280, 0, bytes(72), 72) + 1)",
    "performance counters": "attempt(lambda: system(298, 241, bytes(112), 0, -1, -1, 0) + 1)",
    "userfaultfd": "attempt(lambda: system(323, 282, 1) + 1)",
    "the name of the machine": "attempt(lambda: socket.sethostname('x'))",
    "the clock": "attempt(lambda: time.clock_settime(time.CLOCK_REALTIME, 0))",
    "stay after death": "attempt(lambda: libc.prctl(1, 0, 0, 0, 0) == 0 and 'no death signal')",
    "swap the kernel": "attempt(lambda: system(246, 104, 0, 0, 0, 0) + 1)",
}
ABUSES: dict[str, str] = {
    "fork bomb": "while True:\n    try:\n        os.fork() and print('ESCAPED a child')\n    except OSError: pass",
    "threads without end": "while True:\n    threading.Thread(target=time.sleep, args=(99,)).start()",
    "memory": "x = []\nwhile True: x.append(bytearray(1 << 24))",
    "shared memory": """
import mmap
x = []
while True:
    x.append(mmap.mmap(-1, 1 << 26))
    x[-1].write(b"x" * (1 << 26))""",
    "a file without end": "f = open('f', 'wb')\nwhile True: f.write(b'x' * (1 << 20))",
    "files without end": "i = 0\nwhile True:\n    i += 1\n    open(f'{i}', 'wb').write(b'x' * (1 << 16))",
    "folders without end": "while True:\n    os.mkdir('d')\n    os.chdir('d')",
    "a file of holes": "f = open('f', 'wb')\nf.truncate(1 << 50)\nprint('ESCAPED')",
    "output flood": "while True: print('x' * 100000)",
    "error flood": "while True: os.write(2, b'x' * 100000)",
    "a daemon": """
try:
    if not os.fork():
        os.setsid()
        if not os.fork():
            while True:
                time.sleep(0.1)
                open("$FOLDER/daemon", "a").write("x")
except OSError as error:
    print("refused:", error)""",
    "spin": "while True: pass",
    "sleep": "time.sleep(10**6)",
    "sleep deaf to signals": """
import signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
time.sleep(10**6)""",
    "stop itself": "os.kill(os.getpid(), 19)\nwhile True: time.sleep(1)",
    "kill everyone": "os.kill(-1, 9)",
    "close everything": "os.closerange(0, 4096)\nwhile True: pass",
    "crash the interpreter": "ctypes.string_at(0)",
    "crash the stack": "sys.setrecursionlimit(10**9)\nf = lambda: f()\nf()",
    "crash the compiler": "compile('(' * 10**6, 'x', 'exec')",
    "a number without end": "print(len(str(9 ** 9 ** 9)))",
    "pipes without end": "x = []\nwhile True: x.append(os.pipe())",
}

CHEATS: dict[str, str] = {
    "always equal": """
class Equal:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
def add(a, b): return Equal()""",
    "an int that is always equal": """
class Equal(int):
    def __eq__(self, other): return True
    __hash__ = int.__hash__
def add(a, b): return Equal(0)""",
    "a list that is always equal": """
class Equal(list):
    def __eq__(self, other): return True
    def __len__(self): return 1
def add(a, b): return Equal()""",
    "an object that says it is an int": """
class Fake:
    @property
    def __class__(self): return int
    def __eq__(self, other): return True
    def __index__(self): return 0
def add(a, b): return Fake()""",
    "exit 0": "import sys\ndef add(a, b): sys.exit(0)",
    "exit 0 at once": "import os\nos._exit(0)\ndef add(a, b): pass",
    "exit 0 in the call": "import os\ndef add(a, b): os._exit(0)",
    "patched builtins": """
import builtins
builtins.AssertionError = type("Never", (BaseException,), {})
builtins.all = builtins.any = builtins.isinstance = lambda *a, **k: True
builtins.type = builtins.len = lambda *a: 1
def add(a, b): return None""",
    "patched json": "import json\njson.dumps = lambda *a, **k: 'true'\ndef add(a, b): return None",
    "patched pytest and unittest": """
import sys, types
for name in ("pytest", "_pytest", "unittest"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].main = lambda *a, **k: 0
def add(a, b): return None""",
    "patched codec": """
from midtrain.verify.sandbox import plain
plain.same = lambda *a, **k: True
plain.encode = lambda value: True
def add(a, b): return None""",
    "results written before": """
import os
frame = b'["dict","nonce","0000000000000000","value",5]'
for _ in range(9):
    os.write(3, len(frame).to_bytes(4, "big") + frame)
def add(a, b): return None""",
    "passed, it says": """
from midtrain.verify.sandbox import guest
import sys
def add(a, b):
    frame = sys._getframe(1)
    guest.send(3, {"nonce": frame.f_locals["question"]["nonce"], "end": "passed", "defined": True})""",
    "two answers at once": """
from midtrain.verify.sandbox import guest
import sys
def add(a, b):
    for n in range(100):
        guest.send(3, {"nonce": sys._getframe(1).f_locals["question"]["nonce"], "value": n})""",
    "the tests from the stack": """
import sys, gc
def add(a, b):
    seen = []
    frame = sys._getframe()
    while frame:
        seen += [frame.f_locals, frame.f_globals]
        frame = frame.f_back
    for thing in seen + gc.get_objects():
        if isinstance(thing, dict):
            for key in ("expected", "calls", "check", "tests", "test"):
                if isinstance(thing.get(key), (list, tuple)):
                    return thing[key][0][-1]
    return None""",
    "the tests from the files": """
import os
def add(a, b):
    for folder, _, names in os.walk("/"):
        for name in names:
            if "test" in name:
                try:
                    text = open(os.path.join(folder, name)).read()
                except (OSError, ValueError):
                    continue
                if "candidate(2, 3)" in text:
                    return 5
    return None""",
    "a flood of prints": "print('5\\n' * 1000)\ndef add(a, b): print(a + b)",
    "an exception that says passed": "def add(a, b): raise AssertionError('passed')",
    "a stopped iteration": "def add(a, b): raise StopIteration(5)",
    "a generator": "def add(a, b): yield a + b",
    "not a number": "def add(a, b): return float('nan')",
    "a mock": "from unittest.mock import MagicMock\nadd = MagicMock()",
    "an answer as text": "def add(a, b): return str(a + b)",
    "an answer in a list": "def add(a, b): return [a + b]",
    "everything at once": "def add(a, b): return set(range(1000))",
    "no function": "add = 5",
    "a class": "class add:\n    def __init__(self, a, b): self.value = a + b",
    "deep nesting": "def add(a, b):\n    x = []\n    for _ in range(10**5): x = [x]\n    return x",
    "a large value": "def add(a, b): return 'x' * 10**8",
    "colliding keys": "def add(a, b): return {k * (2**61 - 1) for k in range(40000)}",
    "colliding keys, written by hand": """
import os, sys
def add(a, b):
    keys = ",".join(f'["int","{k * (2**61 - 1):x}"]' for k in range(1, 40000))
    nonce = sys._getframe(1).f_locals["question"]["nonce"]
    frame = f'["dict","nonce","{nonce}","value",["set",{keys}]]'.encode()
    data = len(frame).to_bytes(4, "big") + frame
    while data:
        data = data[os.write(3, data):]""",
    "brackets, written by hand": """
import os
def add(a, b):
    frame = b"[" * 900000
    data = len(frame).to_bytes(4, "big") + frame
    while data:
        data = data[os.write(3, data):]""",
    "a frame that never ends": """
import os
def add(a, b):
    os.write(3, bytes([0, 0, 255, 255]))""",
    "a number of a million digits": "def add(a, b): return 7 ** 10**5",
    "a channel closed": "import os\nos.close(3)\ndef add(a, b): return a + b",
    "a changed name": "def add(a, b): return None\nadd.__name__ = 'check'",
}
