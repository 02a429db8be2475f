import pytest

from pellucid.client.snapshots.secrets import MASK, find, is_secret_file, mask, mask_text

# Put together here, so that no scanner takes this file for a leak.
RANDOM = "Zq8w" + "Lx2vT9" + "bRk4Ym7Pd3Hs6Jf"
SECRETS = {
    "aws": "AKIA" + "Z7XQ2MNBV4KLP9RT",
    "github": "ghp_" + "a8Kd02jfLQm4nXz7" + "Bv6Tc1Wy9Re3Uo5Pis0G",
    "openai": "sk-proj-" + "8fQ2xLmN7vKtR4wZ" + "9yBpD1sHcJ6g",
    "anthropic": "sk-ant-" + "api03-Qw7eRt9yUi2oPa4sDf6gHj8kLz",
    "google": "AIza" + "SyD3f7GhJ2kLq9wErTyU5iOpAsDfGhJkLzX",
    "slack": "xoxb-" + "2837465-ajshdkfjhw83",
    "huggingface": "hf_" + "QwErTyUiOpAsDfGhJkLzXcVbNmQwErTy12",
    "jwt": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "dozjgNryP4J3jVmNHl0w5N",
    "key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEow" + "IBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
}


@pytest.mark.parametrize("kind", SECRETS)
def test_known_kinds_are_found_where_they_stand(kind: str) -> None:
    secret = SECRETS[kind]
    text = f'first = 1\nKEY = "{secret}"\nlast = 2\n'
    masked = mask(text.encode())
    assert secret.encode() not in masked.data
    assert [finding.line for finding in masked.findings] == [2]
    assert masked.data.startswith(b"first = 1\n")
    assert masked.data.endswith(b"last = 2\n")


@pytest.mark.parametrize(
    "line",
    [
        f'password = "{RANDOM}"',
        f"api_key: '{RANDOM}'",
        f'"client_secret": "{RANDOM}",',
        f"export DB_PASSWORD={RANDOM}",
        f"headers = 'Authorization: Bearer {RANDOM}'",
        f"url = 'postgres://user:{RANDOM}@db.example.org/x'",
        f'blob = "{RANDOM}/{RANDOM[::-1]}Qx9"',
        f'api_key: str = "{RANDOM}"',
    ],
)
def test_values_of_secret_names_and_random_texts_are_found(line: str) -> None:
    assert RANDOM.encode() not in mask(line.encode()).data
    assert find(line.encode())


@pytest.mark.parametrize(
    "line",
    [
        'password = os.environ["DB_PASSWORD"]',
        'api_key = "your-api-key-here"',
        'api_key = "<API_KEY>"',
        'token_count = "one hundred and one"',
        'commit = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"',
        "requests==2.34.2 --hash=sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15",
        '"integrity": "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwv"',
        'name = "a_very_long_identifier_that_is_made_of_words_alone"',
        'secret_name = "projects/demo/secrets"',
        "sk-learn is a library",
        "def password(self) -> str: ...",
        '"https://example.org/path/that/is/long/enough/to/look/random/but/is/not"',
    ],
)
def test_ordinary_code_is_left_alone(line: str) -> None:
    assert find(line.encode()) == []


def test_files_that_are_secrets() -> None:
    for path in (".env", "a/.env.local", "certs/server.pem", "id_rsa", "x/.netrc", "secrets.yaml"):
        assert is_secret_file(path)
    for path in (".env.example", "environment.py", "id_rsa.pub", "keys.py", "credentials.md"):
        assert not is_secret_file(path)


def test_texts_are_masked_too() -> None:
    masked = mask_text(f"use {SECRETS['openai']} here \udcff")
    assert masked == f"use {MASK.decode()} here \udcff"
