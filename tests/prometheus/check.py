"""Starts the service and a Prometheus that scrapes it, and asks the latter what it knows: all series, as many of them after ten
thousand further keys as before, and an answer to each query of the dashboard."""

import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

SERVICE, DASHBOARD, WORK = sys.argv[1:]
WORK = pathlib.Path(WORK)
KEYS = 10_000
EXPECTED = [
    "cache_hits_total", "cache_misses_total", "cache_loads_total", "cache_load_seconds_bucket", "cache_coalesced_total",
    "cache_stale_served_total", "cache_evictions_total", "cache_invalidations_total", "cache_errors_total",
    "cache_bytes_total", "cache_healthy", "cache_entries", "cache_memory_bytes", "cache_loads_running",
    "cache_pending_invalidations", "cache_redis_connected", "cache_redis_channel", "cache_redis_latency_seconds",
    "cache_redis_channel_gaps_total",
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, is_so, seconds=60):
    end = time.monotonic() + seconds
    while True:
        found = is_so()
        if found:
            return found
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.1)


def main(started):
    redis_port, port = free_port(), free_port()
    redis = ["redis-server", "--port", str(redis_port), "--save", "", "--appendonly", "no"]
    started.append(subprocess.Popen(redis, stdout=subprocess.DEVNULL))
    until("Redis listens", lambda: listens(redis_port))
    database = WORK / "leads.db"
    environment = {**os.environ, "PORT": "0", "LEADS_DB": str(database), "REDIS_URL": f"redis://127.0.0.1:{redis_port}/"}
    service = subprocess.Popen([SERVICE], stdout=subprocess.PIPE, env=environment, text=True)
    started.append(service)
    address = service.stdout.readline().strip().removeprefix("listening on http://")

    text = get(f"http://{address}/metrics")
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert checked.returncode == 0 and not checked.stderr, checked.stderr.decode()
    print("promtool finds nothing wrong with", len(text.splitlines()), "lines")

    data = WORK / "data"
    shutil.rmtree(data, ignore_errors=True)
    config = WORK / "prometheus.yml"
    scrape = {"job_name": "leads", "metrics_path": "/metrics", "static_configs": [{"targets": [address]}]}
    # JSON is YAML.
    config.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [scrape]}))
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={data}", f"--web.listen-address=127.0.0.1:{port}"]
    with open(WORK / "prometheus.log", "w") as log:
        started.append(subprocess.Popen(command, stderr=log))

    def ask(query):
        asked = urllib.parse.urlencode({"query": query})
        try:
            answer = json.loads(get(f"http://127.0.0.1:{port}/api/v1/query?{asked}"))
        except (urllib.error.URLError, ConnectionError):
            return []
        assert answer["status"] == "success", answer
        return answer["data"]["result"]

    def number(query):
        found = ask(query)
        return float(found[0]["value"][1]) if found else None

    until("the target is up", lambda: number('up{job="leads"}') == 1)
    of_lead = '{function=~".*::get_lead"}'
    reads(address, [1, 1])
    until("a hit is scraped", lambda: (number(f"sum(cache_hits_total{of_lead})") or 0) >= 1)
    for name in EXPECTED:
        assert number(f"count({name})"), f"there is no {name}"
    series = number('count({job="leads"})')

    reads(address, range(2, KEYS + 2))
    until("all loads are scraped", lambda: number(f"sum(cache_loads_total{of_lead})") == KEYS + 1)
    after = number('count({job="leads"})')
    assert series == after, f"{series} series before {KEYS} further keys, {after} after"
    print(f"{series:.0f} series before {KEYS} further keys, and after")

    dashboard = json.loads(pathlib.Path(DASHBOARD).read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    for query in queries:
        for variable, value in [("$__rate_interval", "1m"), ("$job", ".*"), ("$instance", ".*"), ("$function", ".*")]:
            query = query.replace(variable, value)
        assert ask(query), f"the dashboard asks in vain: {query}"
    print(f"each of {len(queries)} queries of the dashboard has an answer")


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def get(address):
    with urllib.request.urlopen(address, timeout=10) as answer:
        return answer.read()


def reads(address, ids):
    connection = http.client.HTTPConnection(address)
    for number in ids:
        connection.request("GET", f"/leads/{number}")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, (number, answer.status)
    connection.close()


processes = []
try:
    main(processes)
finally:
    for process in reversed(processes):
        process.kill()
        process.wait()
