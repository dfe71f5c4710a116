from __future__ import annotations

from bench.faults import EVERY, QUICK, run

SOME = (
    *("refused", "connect-stalls", "port-99999", "key-with-newline", "proxy-for-loopback", "redirect-307", "status-429"),
    *("secret-echoed", "chunked-ended-early", "no-finish", "html-200", "trickle-forever"),
    *("huge-chunk", "endless-line", "huge-error", "huge-headers", "gzip-bomb"),
)


async def test_faults_through_the_whole_engine_keep_every_bound() -> None:
    figures = await run(SOME, 60)
    assert tuple(row.fault for row in figures.rows) == SOME
    broken = {bound: count for bound, count in figures.broken.items() if count}
    broken.pop("over their time", None)  # a busy machine is no fault of the engine's; the command looks at the clock
    assert broken == {}, figures.rows


def test_the_command_knows_every_fault() -> None:
    assert set(SOME) <= set(QUICK) <= set(EVERY)
    assert len(EVERY) == len(set(EVERY))
