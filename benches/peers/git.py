"""git as a peer: documents at KEY/blob, as isodb lays them out, in a bare SHA-256 repository.

An import is a ready-made fast-import stream, whose making is not timed. Fresh puts have core.fsync=all.
"""
import os
import random
import subprocess
import time

from . import common
from .common import MALLOC, copy, pairs

DURABLE = ["-c", "core.fsync=all"]
ENV = dict(common.ENV, **MALLOC)


def call(*args, **more):
    return common.call(*args, env=ENV, **more)


def run(*args, **more):
    return common.run(*args, env=ENV, **more)


def commit(changes, n, with_parent):
    """A commit in the language of fast-import."""
    out = b"commit refs/heads/main\ncommitter f <f@x> %d +0000\ndata 1\nm\n" % (1700000000 + n)
    if with_parent:
        out += b"from refs/heads/main^0\n"
    for key, value in changes:
        body = value.encode()
        out += b"M 100644 inline %s/blob\ndata %d\n%s\n" % (key.encode(), len(body), body)
    return out


class Peer:
    name = "git"

    def __init__(self, _program, folder, flat):
        self.folder, self.flat, self.count = folder, flat, 0
        self.store = os.path.join(folder, "a.git")

    def argv(self, *args):
        return ["git", "-C", self.store, "-c", "gc.auto=0", *args]

    def load(self, records, count):
        if self.flat and count > 100000:
            raise TimeoutError("fast-import is quadratic in the children of one folder")
        stream = os.path.join(self.folder, "stream")
        with open(stream, "wb") as file:
            file.write(commit([], 0, False))
            for key, value in pairs(records):
                body = value.encode()
                file.write(b"M 100644 inline %s/blob\ndata %d\n%s\n" % (key.encode(), len(body), body))
        self.count += 1
        self.store = os.path.join(self.folder, f"{self.count}.git")
        call(["git", "init", "-q", "--bare", "--object-format=sha256", "-b", "main", self.store])
        result = run(self.argv("fast-import", "--quiet"), stream, timeout=900)
        os.unlink(stream)
        return result

    def put(self, key, value, n):
        call(self.argv(*DURABLE, "fast-import", "--quiet"), commit([(key, value)], n, True))

    def put_by_plumbing(self, key, value, _n):
        """As a script would write it: hash-object, then ls-tree and mktree up the path, commit-tree, update-ref."""
        git = self.argv(*DURABLE)
        parts = (key + "/blob").split("/")
        old = call([*git, "rev-parse", "refs/heads/main"]).decode().strip()
        oid, mode, kind = call([*git, "hash-object", "-w", "--stdin"], value.encode()).decode().strip(), "100644", "blob"
        for depth in range(len(parts) - 1, -1, -1):
            rows = call([*git, "ls-tree", old + ":" + "/".join(parts[:depth])], check=False).split(b"\n")
            rows = [row for row in rows if row and not row.endswith(b"\t" + parts[depth].encode())]
            rows.append(f"{mode} {kind} {oid}\t{parts[depth]}".encode())
            oid, mode, kind = call([*git, "mktree"], b"\n".join(rows) + b"\n").decode().strip(), "040000", "tree"
        call([*git, "update-ref", "refs/heads/main", call([*git, "commit-tree", "-p", old, "-m", "m", oid]).decode().strip(), old])

    def put_until_done(self, key, value, n):
        """A put that is tried again when another was first; how many tries it took."""
        argv, tries = self.argv(*DURABLE, "fast-import", "--quiet"), 1
        while subprocess.run(argv, input=commit([(key, value)], n, True), stderr=subprocess.DEVNULL, env=ENV).returncode:
            tries += 1
            time.sleep(random.random() * .02)
        return tries

    def get(self, key):
        return call(self.argv("cat-file", "blob", f"main:{key}/blob"))

    def batch(self, keys, out):
        names = os.path.join(self.folder, "names")
        with open(keys) as source, open(names, "w") as target:
            target.writelines(f"main:{line.strip()}/blob\n" for line in source)
        return run(self.argv("cat-file", "--batch", "--buffer"), names, out, timeout=600)[0]

    def pipe(self, out, *paths):
        command = 'git -C "$0" ls-tree -r --format="%(objectname) %(path)" main "$@" | git -C "$0" cat-file --batch --buffer'
        return run(["sh", "-c", command, self.store, *paths], None, out)

    def scan(self, out):
        return self.pipe(out)

    def list(self, out):
        return run(self.argv("ls-tree", "-r", "--name-only", "main"), None, out)[0]

    def prefix(self, prefix, out):
        return self.pipe(out, prefix)[0]

    def change(self, lines):
        call(self.argv("fast-import", "--quiet"), commit(pairs(lines), 1, True))

    def diff(self, out):
        return run(self.argv("diff-tree", "-r", "--name-status", "main~1", "main"), None, out)[0]

    def commits(self, lines, durable):
        stream = os.path.join(self.folder, "commits")
        with open(stream, "wb") as file:
            for n, pair in enumerate(pairs(lines)):
                # Only the first says what it stands on; the others follow it.
                file.write(commit([pair], n, n == 0))
                if durable and n % 100 == 99:
                    file.write(b"checkpoint\n\n")
        return run(self.argv(*(DURABLE if durable else []), "fast-import", "--quiet"), stream, timeout=600)[0]

    def gc(self):
        return run(self.argv("gc", "-q", "--prune=now"))

    def fork(self, name):
        self.store = copy(self.store, os.path.join(self.folder, name + ".git"))

    def count_writers(self):
        return call(self.argv("ls-tree", "-r", "--name-only", "main", "writers/")).count(b"\n")
