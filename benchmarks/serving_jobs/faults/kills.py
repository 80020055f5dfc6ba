"""The server is killed in the middle of a job."""

from __future__ import annotations

from serving_jobs.client import Client, Refused
from serving_jobs.faults.scene import LONG, PATIENCE, SHORT, SUFFIX, Scene, Tally
from serving_jobs.laws import Law
from serving_jobs.process import Server


def server_killed(scene: Scene) -> Law:
    """SIGKILL at random moments; the next process must do what was handed in, once."""
    tally = Tally(f"SIGKILL of the server ×{scene.times}", "one job ran, one waited, one was done")
    draw, finished = scene.draw(), []
    with scene.server("killed") as server:
        server.start()
        for k in range(scene.times):
            percent = draw.choice((draw.uniform(3, 60), draw.uniform(60, 94)))
            finished += _round(scene, server, tally, k, percent)
        client = server.client()
        _check_finished(scene, client, tally, finished)
        alone = len({job.id for job in client.mine()}) == 3 * scene.times
        tally.check(alone, "no job twice", "jobs lost or doubled")
        server.stop()
    return tally.law()


def _round(
    scene: Scene, server: Server, tally: Tally, k: int, percent: float
) -> list[tuple[str, str]]:
    """Kill once; the ids and volumes of the three jobs."""
    client = server.client()
    done = scene.hand_in(client, SHORT, f"done-{k}")
    client.ended(done.id, PATIENCE)
    ran, waited = scene.hand_in(client, LONG, f"ran-{k}"), scene.hand_in(client, SHORT, f"w-{k}")
    client.reached(ran.id, percent, PATIENCE)
    server.kill()
    server.start()
    client = server.client()
    _check_nothing_half(scene, client, tally, ran.id)
    again = scene.hand_in(client, LONG, f"ran-{k}")
    tally.check(again.id == ran.id, "the same key found the same job", "a key made a second job")
    for job in (ran, waited):
        state = client.ended(job.id, PATIENCE).state
        tally.check(state == "done", "job done after the restart", f"job {state}")
    return [(done.id, SHORT), (ran.id, LONG), (waited.id, SHORT)]


def _check_nothing_half(scene: Scene, client: Client, tally: Tally, job_id: str) -> None:
    """Whatever is served of a job that was interrupted is whole."""
    try:
        client.result(job_id, f"label{SUFFIX}")
    except Refused as refused:
        tally.check(refused.status == 409, "unfinished result refused", f"result: {refused}")
    else:
        whole = scene.right(client, job_id, LONG)
        tally.check(whole, "result was there already", "half a file served")


def _check_finished(
    scene: Scene, client: Client, tally: Tally, finished: list[tuple[str, str]]
) -> None:
    for job_id, name in finished:
        tally.check(scene.right(client, job_id, name), "result right", "result lost or wrong")
