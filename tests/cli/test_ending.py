"""How commands end before their time: Ctrl-C, a kill, a reader that leaves. All in processes of their own."""

import os
import signal
import subprocess
import sys

import pytest

from complexity_lab.tables.directory import StudyDirectory

MAIN = "from complexity_lab.cli.app import main; main()"
SLOW_COMPRESSOR = f"""
import sys, time
from complexity_lab.estimators import compressors
def compress(data, compressor):
    print("compressing", flush=True)
    time.sleep(300)
compressors.compress = compress
for module in list(sys.modules.values()):
    if getattr(module, "__name__", "").startswith("complexity_lab.measurement") and hasattr(module, "compress"):
        module.compress = compress
{MAIN}
"""
STOPPING = f"""
import sys, time
from complexity_lab.study import engine
advance = engine._Meter.advance
def stop(self, outcome):
    advance(self, outcome)
    print("one is done", flush=True)
    time.sleep(300)
engine._Meter.advance = stop
{MAIN}
"""


def start(script, *arguments, **options):
    """Begin a command. Shells make background jobs ignore Ctrl-C, and their children too; that is undone."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        start_new_session=True,
        **options,
    )


def survey(pairs, out, jobs):
    return ("survey", "--zoo", "checkpoints", "--weights", pairs, "--out", out, "--jobs", jobs, "--no-report")


def test_ctrl_c_does_not_wait_for_compressors(pairs):
    command = ("measure", pairs / "a" / "trained.safetensors", "--metrics", "lzma:float32")
    process = start(SLOW_COMPRESSOR, *command, stdout=subprocess.PIPE)
    assert process.stdout.readline() == "compressing\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "complexity-lab: interrupted\n")


@pytest.mark.parametrize(("ended", "jobs"), [(signal.SIGINT, 1), (signal.SIGINT, 2), (signal.SIGKILL, 1)])
def test_what_is_finished_is_kept(run, pairs, tmp_path, ended, jobs):
    """The signal goes to the whole process group, as a terminal sends it."""
    out = tmp_path / "out"
    process = start(STOPPING, *survey(pairs, out, jobs), stdout=subprocess.PIPE)
    assert process.stdout.readline() == "one is done\n"
    os.killpg(process.pid, ended)
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    if ended == signal.SIGINT:
        assert process.returncode == 130
        assert "run the same command to go on" in err
    kept = len(StudyDirectory(out).commits())
    assert kept >= 1
    code, shown, _ = run(*survey(pairs, out, 1))
    assert code == 0
    assert f"3 ok, 0 failed ({3 - kept} model{'' if 3 - kept == 1 else 's'} done now, {kept} kept)" in shown


def test_a_survey_whose_reader_is_gone_goes_on(pairs, tmp_path):
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [sys.executable, "-c", MAIN, *map(str, survey(pairs, tmp_path / "out", 1))],
        stdout=write,
        stderr=write,
        timeout=120,
        check=False,
    )
    os.close(write)
    assert process.returncode == 0
    assert len(StudyDirectory(tmp_path / "out").commits()) == 3


def test_a_list_whose_reader_is_gone_ends_without_a_word():
    with start(MAIN, "zoo", "list", stdout=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
