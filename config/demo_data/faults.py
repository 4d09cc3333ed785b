"""What breaks, and how people talk about it: a small grammar of faults.

Texts may use {service}, {host}, {n} (some number), {pct}, {version} and {dep} (another service).
"""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Fault:
    """One way to fail. `kinds`: of what kind of service; `mild`: the title where little is hurt."""

    slug: str
    kinds: tuple[str, ...]
    grave: str
    mild: str
    alert: str
    causes: tuple[str, ...]
    repairs: tuple[tuple[str, str], ...]  # kind of mitigation, what is done
    root: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Telling:
    """One fault as it happened once, in words."""

    slug: str
    title: str
    alert: str
    cause: str
    repair_kind: str
    repair: str
    root: str
    notes: tuple[str, ...]


FAULTS = (
    Fault(
        "db-failover",
        ("database",),
        "{service}: primary is gone, writes fail",
        "{service}: replica {host} lags by {n} s",
        "pg_up == 0 on {host} for 1m; replication lag {n} s",
        (
            "{host} lost its volume; the standby was not promoted by itself",
            "A long migration blocks replication on {host}",
        ),
        (
            ("failover", "Promoting the standby and pointing the pooler at it"),
            ("restart", "Restarting the replica from the last base backup"),
        ),
        "The fencing script waits for a console answer that nobody could give.",
        (
            "Standby is {n} MB behind, checking whether we may promote.",
            "Pooler reconnected, write errors fall.",
            "No lost transactions: compared the last {n} rows of the ledger with the standby.",
        ),
    ),
    Fault(
        "disk-full",
        ("database", "queue", "cluster"),
        "{service}: disk of {host} is full",
        "{service}: disk of {host} at {pct} %",
        "node_filesystem_avail_bytes < 5 % on {host}",
        ("WAL files are kept for a replica that was removed", "Debug logs were left switched on"),
        (
            ("configuration", "Dropping the stale replication slot, WAL is being removed"),
            ("scale", "Growing the volume by {n} GB"),
        ),
        "Nothing warned at 80 %: the rule was written for the old mount point.",
        (
            "df says {pct} %, most of it in pg_wal.",
            "Freed {n} GB. Enough for about a day at this rate.",
        ),
    ),
    Fault(
        "slow-queries",
        ("login", "database", "api"),
        "{service} answers in {n} s, requests time out",
        "{service}: p95 latency above target",
        "histogram_quantile(0.95) = {n} s for 10m",
        (
            "The planner chose a sequential scan after last night's ANALYZE",
            "A missing index on the new column, since {version}",
        ),
        (
            ("fix_forward", "Creating the index concurrently"),
            ("rollback", "Rolling back to the version before {version}"),
        ),
        "The change was reviewed with test data of 500 rows; production has 40 million.",
        (
            "Top query is the listing by customer, {n} calls per second.",
            "EXPLAIN shows a sequential scan where there was an index scan yesterday.",
            "Index is at {pct} %.",
        ),
    ),
    Fault(
        "bad-deploy",
        ("login", "web", "api", "queue"),
        "{service}: {pct} % of requests fail since {version}",
        "{service}: errors after the deployment of {version}",
        "5xx ratio {pct} % for 5m, threshold 2 %",
        (
            "{version} reads a setting that is not there in production",
            "{version} removed a field that the mobile apps still send",
        ),
        (
            ("rollback", "Rolling back {version}"),
            ("feature_off", "Switching off the flag that came with {version}"),
        ),
        "The smoke test after a deployment does not cover the path that broke.",
        (
            "Started within a minute of the deployment of {version}.",
            "Rollback is at {pct} % of the pods.",
            "Error rate back to normal in one region, the other follows.",
        ),
    ),
    Fault(
        "certificate",
        ("login", "web", "api", "partner", "cluster"),
        "{service}: certificate expired",
        "{service}: certificate expires in 3 days",
        "probe_ssl_earliest_cert_expiry below limit for {host}",
        ("The renewal job fails since the DNS provider changed its API",),
        (("configuration", "Issued a certificate by hand and reloaded the proxies"),),
        "The renewal job mails its failures to a mailbox that nobody reads.",
        ("Browsers show a warning, apps refuse to connect.", "New certificate is on {host}."),
    ),
    Fault(
        "consumer-lag",
        ("queue", "batch"),
        "{service} stands still, {n}000 messages wait",
        "{service}: consumers fall behind",
        "consumer lag {n}000 on partition 7 and growing",
        (
            "One message that cannot be parsed is retried for ever",
            "A rebalance storm: consumers are killed for memory and come back",
        ),
        (
            ("configuration", "Moving the bad message to the dead letter queue"),
            ("scale", "Doubling the consumers until the backlog is gone"),
        ),
        "There was no limit for retries, and no dead letter queue on this topic.",
        (
            "Lag falls by about {n} a second, an hour to go.",
            "The poison message is an order with a negative quantity.",
        ),
    ),
    Fault(
        "out-of-memory",
        ("login", "api", "web", "cache", "cluster"),
        "{service}: pods are killed for memory, none is ready",
        "{service}: pods restart every few minutes",
        "container OOMKilled, {n} restarts in 15m on {host}",
        ("A cache without limit since {version}", "A customer's import with {n}0 000 lines"),
        (
            ("restart", "Restarting with twice the memory limit"),
            ("rollback", "Going back to the version before {version}"),
        ),
        "The in-process cache keyed by full URL grows with every campaign link.",
        ("Heap dump saved from {host}.", "Memory is flat for {n} minutes now."),
    ),
    Fault(
        "partner-down",
        ("partner",),
        "{service}: the provider does not answer",
        "{service}: the provider is slow",
        "external probe failed {n} times in a row",
        ("The provider's status page speaks of a network fault in Frankfurt",),
        (
            ("third_party", "Opened a ticket with the provider, waiting for their repair"),
            ("failover", "Sending {pct} % of the traffic by the second provider"),
        ),
        "Outage at the provider; our switch to the second one is by hand.",
        (
            "Their status page is still green. Called the hotline.",
            "Provider confirms, no time given.",
            "They report a fix; our probe sees {pct} % success.",
        ),
    ),
    Fault(
        "dns",
        ("partner", "cluster"),
        "{service}: names cannot be resolved",
        "{service}: resolver errors in one zone",
        "coredns SERVFAIL rate {pct} %",
        ("The upstream resolver drops large answers since the firewall change",),
        (("configuration", "Reverting the firewall change"),),
        "The change was tested with small answers only.",
        ("dig +tcp works, UDP does not.", "Change reverted, errors are gone on {host}."),
    ),
    Fault(
        "job-failed",
        ("batch",),
        "{service}: last night's run failed, nothing was written",
        "{service}: run takes longer than its window",
        "job exit code 137 after {n} min",
        ("The input of yesterday has a column more", "It waits for a lock that {dep} holds"),
        (
            ("fix_forward", "Running it again with the corrected mapping"),
            ("restart", "Started it again by hand after {dep} had finished"),
        ),
        "The contract with the sender of the file exists only as a mail from 2021.",
        ("Second run is at {pct} %.", "Files arrived; finance has been told."),
    ),
    Fault(
        "cache-stampede",
        ("cache", "api"),
        "{service}: cold cache, {dep} is overloaded",
        "{service}: hit rate down to {pct} %",
        "cache hit ratio {pct} % for 10m, evictions rise",
        ("Keys of a whole day expire in the same second", "{host} was replaced and came up empty"),
        (
            ("scale", "Adding two nodes and warming them from the log"),
            ("configuration", "Spreading the expiry by up to {n} minutes"),
        ),
        "Every key gets the same time to live at the nightly warm-up.",
        ("Hit rate climbs again, {pct} % now.", "{dep} has recovered by itself."),
    ),
    Fault(
        "node-lost",
        ("cluster", "queue", "cache"),
        "{service}: {n} nodes not ready, workloads cannot be placed",
        "{service}: node {host} is not ready",
        "kube_node_status_condition Ready=false for {host}",
        ("The cloud provider replaced hardware without notice", "Kernel panic on {host}"),
        (
            ("restart", "Draining {host} and starting a replacement"),
            ("scale", "Adding nodes in another zone"),
        ),
        "All replicas of two workloads were on one node: no anti-affinity.",
        ("Replacement joined the cluster.", "Pods are placed again, {n} still pending."),
    ),
    Fault(
        "login-errors",
        ("login",),
        "{service}: nobody can log in",
        "{service}: more failed logins than usual",
        "login success ratio {pct} % for 5m",
        (
            "Session keys were rotated on one side only",
            "A bot tries stolen passwords, {n} per second",
        ),
        (
            ("configuration", "Putting the previous key back beside the new one"),
            ("configuration", "Blocking the bot's networks at the edge"),
        ),
        "The rotation script stops half-way when one region does not answer.",
        ("Affects new sessions only.", "Support has a text for customers."),
    ),
    Fault(
        "backup-missed",
        ("database", "batch"),
        "{service}: no backup for two days",
        "{service}: last night's backup is missing",
        "backup age {n} h, limit 26 h",
        ("The bucket's key expired",),
        (("configuration", "New key in place, backup is running"),),
        "Keys expire after a year and nobody is told beforehand.",
        ("Backup is at {pct} %.", "Restored the last one to a scratch host: fine."),
    ),
)

SMALL_TALK = (
    "Looking at it.",
    "Taking a first look at the dashboards.",
    "Can reproduce it from outside.",
    "Nothing unusual in the deployment log of the last two hours.",
    "Customer support reports {n} tickets so far.",
    "Asked {dep} whether they see it too: they do not.",
    "Graphs look better, watching for some minutes more.",
    "Status unchanged, next look in 15 minutes.",
    "Wrote down the commands I used in the team's channel.",
    "Follow-up: alert should name the host. Will bring it to the review.",
)
FALSE_ALARMS = (
    "The probe itself was broken; the service never was.",
    "Planned maintenance, the silence was set for the wrong host.",
    "Load test of the team, announced but not silenced.",
    "Threshold too tight after the traffic moved; raised it.",
)
PRIVATE = (
    "Customer addresses found in a public bucket",
    "An API key of production was pushed to a public repository",
)
REOPENINGS = (
    "Same errors again an hour later.",
    "The fix was rolled back by last night's deployment.",
    "Customers still report it.",
)


def tell(
    rng: Random, kind: str, service: str, dependency: str, *, grave: bool, slug: str = ""
) -> Telling:
    """A fault that fits this kind of service, in words; the one named `slug` where it is given."""
    fitting = [fault for fault in FAULTS if (fault.slug == slug if slug else kind in fault.kinds)]
    fault = rng.choice(fitting)
    facts = {
        "service": service,
        "dep": dependency,
        "host": f"{kind[:2]}-{rng.choice('abc')}{rng.randint(1, 9)}",
        "n": rng.choice([3, 4, 6, 8, 12, 15, 20, 30, 45]),
        "pct": rng.choice([4, 7, 12, 18, 35, 61, 88, 93, 97]),
        "version": f"{rng.randint(2, 5)}.{rng.randint(0, 40)}.{rng.randint(0, 9)}",
    }

    def say(text: str) -> str:
        return text.format(**facts)

    repair_kind, repair = rng.choice(fault.repairs)
    notes = [*fault.notes, *rng.sample(SMALL_TALK, 3)]
    return Telling(
        slug=f"{fault.slug}/{facts['host']}",
        title=say(fault.grave if grave else fault.mild),
        alert=say(fault.alert),
        cause=say(rng.choice(fault.causes)),
        repair_kind=repair_kind,
        repair=say(repair),
        root=say(fault.root),
        notes=tuple(say(note) for note in rng.sample(notes, len(notes))),
    )
