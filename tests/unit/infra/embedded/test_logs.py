"""Log files: bounded, readable at the end, followed."""

from pathlib import Path

from manyline.infra.embedded.logs import LogFollower, keep_bounded, last_lines


def test_a_full_file_is_moved_aside_under_its_writer(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"old\n" * 10)
        assert not keep_bounded(log, most=40)
        assert keep_bounded(log, most=39)
        writer.write(b"new\n")
    assert log.read_bytes() == b"new\n"
    assert (tmp_path / "api.log.1").read_bytes() == b"old\n" * 10


def test_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    assert last_lines(log) == []
    log.write_text("a\n\nb\n  \nc")
    assert last_lines(log, 2) == ["b", "c"]


def test_following_shows_whole_lines_from_now_on(tmp_path: Path) -> None:
    log, shown = tmp_path / "api.log", list[str]()
    log.write_text("before\n")
    follower = LogFollower(log, shown.append)
    with log.open("ab", buffering=0) as writer:
        writer.write(b"one\ntw")
        follower.catch_up()
        assert shown == ["one"]
        writer.write("o\r\nthree é\n".encode())
        follower.catch_up()
    assert shown == ["one", "two", "three é"]


def test_following_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    shown = list[str]()
    follower = LogFollower(tmp_path / "api.log", shown.append)
    follower.catch_up()
    (tmp_path / "api.log").write_text("one\n")
    follower.catch_up()
    assert shown == ["one"]
