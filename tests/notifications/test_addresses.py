import pytest

from incidents.notifications.addresses import Address, mask, parse


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("mailto:ops@example.org", Address("email", "ops@example.org")),
        (
            "https://example.org/hook?x=1#whsec_MfKQ9r8G",
            Address("webhook", "https://example.org/hook?x=1", "whsec_MfKQ9r8G"),
        ),
        (" http://10.0.0.1/hook ", Address("webhook", "http://10.0.0.1/hook")),
        ("ntfys://example.org/duty", Address("apprise", "ntfys://example.org/duty")),
        ("mailto://user:pw@example.org", Address("apprise", "mailto://user:pw@example.org")),
        ("console:", Address("console", "console")),
        ("file:pages.jsonl", Address("file", "pages.jsonl")),
        ("recorder:duty", Address("recorder", "duty")),
    ],
)
def test_it_reads_a_line_of_configuration(text: str, address: Address):
    assert parse(text) == address


@pytest.mark.parametrize(
    ("kind", "address", "shown"),
    [
        ("email", "ops@example.org", "ops@example.org"),
        ("webhook", "https://hooks.example.org/T0/secret", "https://hooks.example.org/… ("),
        ("apprise", "tgram://123456789:secret/42/", "tgram://… ("),
    ],
)
def test_it_shows_no_secrets(kind: str, address: str, shown: str):
    masked = mask(kind, address)

    assert masked.startswith(shown)
    assert "secret" not in masked
    assert len(masked) <= len(shown) + len("0000)")


def test_two_addresses_at_one_host_can_be_told_apart() -> None:
    one, other = (mask("webhook", f"https://hooks.example.org/{name}") for name in ["a", "b"])

    assert one != other
    assert one == mask("webhook", "https://hooks.example.org/a")
