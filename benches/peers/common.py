"""What every peer needs: the records, timing a process with its peak memory, and sizes on disk."""
import json
import os
import random
import shutil
import subprocess
import tempfile
import time
import uuid
from datetime import datetime, timedelta, timezone

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
CROPS = ["wheat", "barley", "maize", "soy", "clover", "rye", "oats", "potato"]
BREEDS = ["holstein", "jersey", "angus", "hereford", "merino", "suffolk", "boer", "duroc"]
NOTES = ["ok", "sensor drift suspected", "battery low", "rain during sampling", "recalibrated",
         "vole damage near the probe", "field flooded last night", "sprayed two days ago"]
# For git alone: it gives its zlib state back to the system after every object, which makes imports three times slower.
MALLOC = {"MALLOC_TRIM_THRESHOLD_": "500000000", "MALLOC_MMAP_THRESHOLD_": "500000000"}
PEOPLE = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "f"), ("EMAIL", "f@x"))}
ENV = dict(os.environ, GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL=os.devnull, **PEOPLE)


def reading(rng, i):
    farm, field = rng.randrange(100), rng.randrange(20)
    at = (START + timedelta(seconds=37 * i + rng.randrange(30))).strftime("%Y-%m-%dT%H:%M:%SZ")
    value = {"type": "reading", "farm": farm, "field": field, "at": at,
             "crop": rng.choice(CROPS), "sensor": "s-%08x" % rng.getrandbits(32),
             "soil": {"moisture": round(rng.uniform(5, 60), 2), "ph": round(rng.gauss(6.5, .5), 3),
                      "temp_c": round(rng.gauss(14, 6), 2)},
             "battery_mv": rng.randrange(2800, 4200), "ok": rng.random() < .97,
             "samples": [[d, round(rng.gauss(20, 5), 3), rng.randrange(1024)] for d in range(rng.randrange(1, 12))]}
    if rng.random() < .3:
        value["note"] = rng.choice(NOTES)
    return f"farms/{farm:02d}/fields/{field:02d}-{CROPS[field % 8]}/readings/{at}", value


def animal(rng, i):
    value = {"type": "animal", "tag": "EU%010d" % rng.randrange(10**10), "breed": rng.choice(BREEDS),
             "born": (START - timedelta(days=rng.randrange(3000))).strftime("%Y-%m-%d"),
             "weight_kg": round(rng.gauss(420, 120), 1),
             "dam": None if rng.random() < .2 else str(uuid.UUID(int=rng.getrandbits(128))),
             "farm": rng.randrange(100),
             "treatments": [{"code": "T%03d" % rng.randrange(300), "dose_ml": round(rng.uniform(.5, 20), 1),
                             "days": [rng.randrange(365), rng.randrange(365)]} for _ in range(rng.randrange(0, 6))],
             "milk": [round(rng.gauss(28, 4), 2) for _ in range(rng.randrange(3, 25))]}
    return "animals/" + str(uuid.UUID(int=rng.getrandbits(128), version=4)), value


def records(count, flat, folder):
    """The path of an NDJSON file of so many records, made once: seven readings of a field for each animal."""
    path = os.path.join(folder, f"{count}-{'flat' if flat else 'nested'}.ndjson")
    if not os.path.exists(path):
        rng = random.Random(1)
        with open(path + ".new", "w") as file:
            for i in range(count):
                key, value = (animal if i % 8 == 7 else reading)(rng, i)
                key = key.replace("/", "_") if flat else key
                file.write('{"key":"%s","value":%s}\n' % (key, json.dumps(value, separators=(",", ":"))))
        os.rename(path + ".new", path)
    return path


def pairs(path):
    """The key and the value's text of each line."""
    with open(path) as file:
        for line in file:
            at = line.index('","value":')
            yield line[8:at], line[at + 10:-2]


def sample(path, total, count, seed):
    """Some of the records, in random order; the same for every peer."""
    rng = random.Random(seed)
    wanted = set(rng.sample(range(total), min(count, total)))
    found = [pair for i, pair in enumerate(pairs(path)) if i in wanted]
    rng.shuffle(found)
    return found


def revised(value, n):
    """The record's next version: one member more."""
    return value[:-1] + ',"rev":%d}' % n


def size(path):
    """The bytes of the files at or below a path."""
    if os.path.isfile(path):
        return sum(os.path.getsize(path + end) for end in ("", "-wal", "-shm") if os.path.exists(path + end))
    return sum(os.lstat(os.path.join(root, file)).st_size for root, _, files in os.walk(path) for file in files)


def copy(source, target):
    """A store to change, beside the one that is kept."""
    if os.path.isdir(source):
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)
    return target


def run(argv, stdin=None, stdout=None, timeout=None, env=None, cwd=None, fine=(0,)):
    """Runs a program with files as stdin and stdout; answers seconds and the peak memory in MB of its largest process.

    The memory is what `time` says, where it is installed: a child of this one starts with this one's own peak.
    """
    with open(stdin or os.devnull, "rb") as source, open(stdout or os.devnull, "wb") as target, tempfile.NamedTemporaryFile("r") as said:
        timer = ["/usr/bin/time", "-o", said.name, "-f", "%M"] if os.path.exists("/usr/bin/time") else []
        start = time.perf_counter()
        try:
            done = subprocess.run([*timer, *argv], stdin=source, stdout=target, stderr=subprocess.PIPE, env=env or ENV, cwd=cwd, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(argv) from error
        seconds = time.perf_counter() - start
        if done.returncode not in fine:
            raise SystemExit(f"{argv}: exit {done.returncode}: {done.stderr[-800:].decode(errors='replace')}")
        memory = int(said.read().split()[-1]) / 1024 if timer else float("nan")
    return seconds, memory


def call(argv, data=b"", check=True, env=None, cwd=None):
    """Runs a program with bytes as stdin; answers its stdout."""
    return subprocess.run(argv, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=check, env=env or ENV, cwd=cwd).stdout
