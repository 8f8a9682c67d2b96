"""Whatever is passed, there is one clear error: no other exception, no hang, no code run, no memory without bound."""

import gzip
import io
import os
import pickle
import re
import resource
import subprocess
import sys
import zipfile

import pytest

from diagnose.readers import ReadError, read


def error(content):
    with pytest.raises(ReadError) as caught:
        read("run.csv", content=content)
    return str(caught.value)


class Exploding:
    """A pickle of this runs code when it is loaded."""

    def __reduce__(self):
        return os.abort, ()


def zipped(*members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in members:
            archive.writestr(name, b"\0" * 100)
    return stream.getvalue()


class TestContent:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "is empty"),
            (b" \n\t\r\n ", "nothing but white space"),
            ("\ufeff\n".encode("utf-16"), "white space|not recognised"),
            (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "PNG image"),
            (b"\xff\xd8\xff\xe0\0\0", "JPEG image"),
            (b"%PDF-1.7\n\0", "PDF"),
            (gzip.compress(b"epoch,loss\n0,1\n", mtime=0), "gzip.*unpack it"),
            (zipped("run.csv"), "zip archive.*unpack it"),
            (zipped("metadata.json", "config.json", "model.weights.h5"), "Keras model.*not a log.*CSVLogger"),
            (zipped("loss.npy"), "NumPy archive"),
            (b"\x89HDF\r\n\x1a\n" + b"\0" * 50, "HDF5.*not a log.*CSVLogger"),
            (b"\x93NUMPY\x01\0" + b"\0" * 50, "NumPy array"),
            (bytes(range(256)) * 20, "is binary"),
            ("epoch,loss\n0,1\n".encode("utf-16-le"), "UTF-16 text without a byte order mark.*UTF-8"),
            (b"<html><body>404</body></html>", "not recognised"),
            (b"The quick brown fox.\n", "not recognised"),
            (b"a" * 300_000, "not recognised"),
        ],
        ids=range(17),
    )
    def test_says_what_it_is(self, content, message):
        assert re.search(message, error(content), re.DOTALL)

    @pytest.mark.parametrize("protocol", [2, 3, 4, 5])
    def test_a_pickle_is_never_loaded(self, protocol):
        message = error(pickle.dumps({"loss": [1.0, 0.5], "bomb": Exploding()}, protocol=protocol))
        assert "pickle" in message
        assert "not loaded" in message
        assert "to_csv" in message

    def test_a_header_without_rows(self):
        message = error(b"epoch,loss,val_loss\n")
        assert "header" in message
        assert "row" in message or "epoch" in message

    def test_one_row_is_a_log(self):
        assert read("x", content=b"epoch,loss\n0,0.5\n")[0].epochs == 1

    def test_the_error_is_one_line(self):
        assert "\n" not in error(b'{"a\nb": 1}') + error(b"\0\n\n")

    @pytest.mark.parametrize("cell", ["1" * 1_000_000 + "!", "tensor(" + "1" * 1_000_000, "1" + " " * 1_000_000 + "x"])
    def test_a_huge_cell_is_read_in_linear_time(self, cell):
        assert read("x", content=f"epoch,loss,val_loss\n0,0.5,{cell}\n1,0.4,2\n2,0.3,1\n".encode())[0].epochs == 3


class TestFile:
    def test_that_is_not_there_names_the_nearest(self, tmp_path):
        (tmp_path / "history.csv").write_text("x")
        with pytest.raises(ReadError, match=r"does not exist; did you mean .*history\.csv\?"):
            read(tmp_path / "histroy.csv")

    def test_that_is_not_there_names_no_other_file(self, tmp_path):
        (tmp_path / "bin.csv").write_text("x")
        with pytest.raises(ReadError, match="does not exist; check the path"):
            read(tmp_path / "missing.csv")

    def test_without_a_name(self):
        with pytest.raises(ReadError, match="empty name"):
            read("")

    def test_in_a_folder_that_is_not_there(self, tmp_path):
        with pytest.raises(ReadError, match="does not exist"):
            read(tmp_path / "no" / "run.csv")

    def test_with_a_name_that_cannot_be(self):
        with pytest.raises(ReadError, match="not a valid file name"):
            read("run\0.csv")

    def test_with_a_name_too_long(self):
        with pytest.raises(ReadError, match="cannot be read"):
            read("x" * 10_000)

    def test_below_a_file(self, tmp_path):
        (tmp_path / "run.csv").write_text("epoch,loss\n0,1\n")
        with pytest.raises(ReadError, match="cannot be read"):
            read(tmp_path / "run.csv" / "loss")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_without_permission(self, tmp_path):
        path = tmp_path / "run.csv"
        path.write_text("epoch,loss\n0,1\n")
        path.chmod(0)
        with pytest.raises(ReadError, match="permission denied"):
            read(path)

    def test_permission_denied_by_the_system(self, tmp_path, monkeypatch):
        path = tmp_path / "run.csv"
        path.write_text("epoch,loss\n0,1\n")

        def denied(*args, **kwargs):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("pathlib.Path.open", denied)
        with pytest.raises(ReadError, match="permission denied"):
            read(path)

    def test_a_loop_of_symbolic_links(self, tmp_path):
        (tmp_path / "a").symlink_to(tmp_path / "b")
        (tmp_path / "b").symlink_to(tmp_path / "a")
        with pytest.raises(ReadError, match="cannot be read"):
            read(tmp_path / "a")

    def test_an_empty_folder(self, tmp_path):
        with pytest.raises(ReadError, match="folder without a training log"):
            read(tmp_path)

    @pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/random"])
    def test_a_device_is_not_read(self, device):
        with pytest.raises(ReadError, match="only regular files"):
            read(device)

    def test_a_pipe_without_a_writer_does_not_hang(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.csv")
        with pytest.raises(ReadError, match="pass - as the source"):
            read(tmp_path / "pipe.csv")

    def test_a_file_that_grows_while_it_is_read(self, tmp_path):
        path = tmp_path / "run.csv"
        path.write_text("epoch,loss\n" + "".join(f"{i},{1 / (i + 1):.4f}\n" for i in range(20_000)) + "20000,0.0")
        assert len(read(path)[0].get("loss")) >= 20_000


LIMIT = 1024**3


def limited(code):
    """Run code in a process that may take 1 GiB and 30 s; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", f"from diagnose.readers import read, ReadError\n{code}"],
        capture_output=True,
        text=True,
        timeout=30,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT)),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "block",
    [b"\0\xff" * 512, b"lorem ipsum dolor " * 60, b"a" * 1000, bytes(range(33, 127)) * 11, b"{" * 1000],
    ids=["binary", "prose", "one letter", "all letters", "braces"],
)
def test_200_mb_of_garbage_are_refused_from_the_head(tmp_path, block):
    path = tmp_path / "garbage"
    with path.open("wb") as stream:
        while stream.tell() < 200_000_000:
            stream.write(block * 1000)
    out = limited(f"try:\n    read({str(path)!r})\nexcept ReadError as error:\n    print('refused', error)")
    assert out.startswith("refused")


def test_a_line_without_end_after_a_header_is_refused(tmp_path):
    path = tmp_path / "run.csv"
    path.write_bytes(b"epoch,loss\n0,1.0\n" + b"1" * 100_000_000)
    out = limited(f"try:\n    read({str(path)!r})\nexcept ReadError as error:\n    print('refused', error)")
    assert "line 3 is longer than" in out
