"""Secrets of every common kind, planted where people leave them; and ordinary code, untouched."""

import json
import random
import re
import string
import time
from pathlib import Path

import pytest

import pellucid
from pellucid.client.snapshots.secrets import find, is_secret_file, mask

ALPHABETS = {
    "an": string.ascii_letters + string.digits,
    "up": string.ascii_uppercase,
    "dig": string.digits,
    "hex": "0123456789abcdef",
    "b32": string.ascii_uppercase + "234567",
    "b64": string.ascii_letters + string.digits + "+/",
    "url": string.ascii_letters + string.digits + "-_",
    "nl": "\n",
}
# One a line: the file's name, the secret with {alphabet:length} for its random parts, and the
# text as JSON with § in the secret's place. Made here, so that no scanner takes them for leaks.
PLANTED = (Path(__file__).parent / "planted_secrets.tsv").read_text().splitlines()


def grow(secret: str, seed: int) -> str:
    chance = random.Random(seed)

    def part(match: "re.Match[str]") -> str:
        return "".join(chance.choice(ALPHABETS[match[1]]) for _ in range(int(match[2])))

    return re.sub(r"\{(\w+):(\d+)\}", part, secret)


@pytest.mark.parametrize("number", range(len(PLANTED)))
def test_a_planted_secret_is_found(number: int) -> None:
    path, form, text = PLANTED[number].split("\t")
    for seed in range(5):
        secret = grow(form, seed)
        planted = json.loads(text).replace("§", secret)
        masked = mask(planted.encode(), path)
        assert masked.findings, planted
        for line in secret.split("\n"):
            assert line.encode() not in masked.data, planted


@pytest.mark.parametrize(
    "path",
    [
        *(".env", ".env.local", "prod.env", ".envrc", "infra/terraform.tfvars", "x.tfstate"),
        *(".aws/credentials", ".docker/config.json", ".kube/config", "kubeconfig", "a/id_ed25519"),
        *("gcp-credentials.json", "client_secret_12.json", "service-account-prod.json"),
        *("deploy/secrets/prod.yaml", "k8s/secret.yaml", "secrets.prod.toml", "gcp-key.json"),
        *("apns.p8", ".my.cnf", "rclone.conf", ".config/gh/hosts.yml", "a/.ssh/work", "token.txt"),
        *(
            ".cache/huggingface/token",
            ".composer/auth.json",
            "ansible/.vault_pass",
            "passwords.txt",
        ),
        *("secrets.toml", ".streamlit/secrets.toml", "key.ppk", "ssl/server.key", "kaggle.json"),
    ],
)
def test_a_file_of_secrets_is_left_out_whole(path: str) -> None:
    assert is_secret_file(path)


@pytest.mark.parametrize(
    "path",
    [
        ".env.example",
        "credentials.py",
        "id_rsa.pub",
        "config.json",
        "docs/token.md",
        "auth.json",
        "secrets/find.py",
    ],
)
def test_a_file_about_secrets_is_kept(path: str) -> None:
    assert not is_secret_file(path)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("a.py", 'login("user", "page")'),
        ("a.py", 'auth = ("user", password)'),
        ("a.py", 'button.connect("clicked", "on_click", "handler_one")'),
        ("a.py", 'jwt.decode(token, key, algorithms=["HS256"])'),
        ("a.py", "hmac.new(key, msg, hashlib.sha256)"),
        ("a.py", "# a password is checked by Argon2 in verify()"),
        ("a.py", "# the token endpoint_of_the_service_v2 answers"),
        ("a.py", 'RANGE = "[a-zA-Z0-9_$]+"; NAME = "Python+UL4"; MAIL = "Bob1&Co@example.org"'),
        ("a.py", 'FILE = "frame_V1-GH#42345.pkl"; URL = "since%3AX1!&a=b"'),
        ("a.py", 'd = {"password": "string?", "pass": "required"}'),
        ("a.py", 'LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"'),
        ("a.csv", "token,label,password_policy\nunbelievable,NN,strong\n"),
        (
            "a.md",
            "| name | password |\n|------|------|\n| ask | ${PASSWORD} |\n\nbob | plain words\n",
        ),
        ("a.ini", "[x]\npass = false\npw = secret\n"),
        ("a.sql", "SELECT password FROM users WHERE name = 'bob'"),
        ("a.sh", "mysql -u root -p < dump.sql; mysql -p$PASSWORD"),
        ("a.py", 'password = input("Password: ")'),
        ("a.py", "connect(user=name, password=password)"),
        ("a.py", "api_key=settings.openai_api_key2"),
        ("a.py", 'token = re.compile(r"[a-z]+[0-9]*")'),
        ("a.py", 'key = os.environ["OPENAI_API_KEY"]'),
        ("a.py", 'p.add_argument("--api-key", default=None, help="the key")'),
        ("a.py", 'PATHS = ("*.docker/config.json", "*.key")'),
        ("a.py", 'url = "postgresql://user:password@localhost/x"'),
        ("a.py", 'LABELS = {"password": "Password", "token": "Token"}'),
        ("a.py", "self.secret_token = make_token_v2(seed)"),
        ("a.yaml", "password: ${DB_PASSWORD}"),
        ("a.yaml", "password: $DB_PASSWORD"),
        ("a.yaml", "api_key: <your key>"),
        ("a.yaml", "password_file: /run/secrets/db1.txt"),
        ("a.yaml", "max_tokens: 4096"),
        ("a.yaml", 'pad_token: "[PAD]"'),
        ("a.yaml", "tokenizer: bert-base-uncased-v2"),
        ("a.sh", 'curl -H "Authorization: Bearer $TOKEN" https://x'),
        ("a.md", "Set `OPENAI_API_KEY` to your key."),
        ("a.json", '{"type": "object", "properties": {"password": {"type": "string"}}}'),
        ("a.js", "fetch(u,{credentials:'include',withCredentials:!1,timeout:0})"),
        ("a.txt", "http://localhost:4380/a@b"),
    ],
)
def test_code_that_only_speaks_of_secrets_is_left_alone(path: str, line: str) -> None:
    assert find(line.encode(), path) == []


def test_the_products_own_code_is_left_alone() -> None:
    root = Path(pellucid.__file__).parent
    found = {
        path.relative_to(root).as_posix(): find(path.read_bytes(), str(path))
        for path in root.rglob("*.py")
    }
    assert {path: one for path, one in found.items() if one} == {}


@pytest.mark.parametrize(
    "piece",
    [
        *(b"key ", b"password ", b'password="', b"api_key: ", b"a", b"token_token_token", b'"'),
        *(b"curl ", b"http://a:", b'"--password" ', b"eyJ", b"-----BEGIN PRIVATE KEY-----"),
        *(b"login( ", b"authorization: basic ", b"password:\n", b'\\"password\\": \\"'),
    ],
)
def test_the_time_does_not_grow_faster_than_the_file(piece: bytes) -> None:
    def seconds(size: int) -> float:
        data = piece * (size // len(piece))
        taken = []
        for _ in range(3):  # the least: the others were disturbed
            start = time.process_time()
            find(data, "a.yaml")
            taken.append(time.process_time() - start)
        return min(taken)

    small = max(seconds(20_000), 0.005)
    # Ten times the bytes: ten times the work, or a hundred times if every place looks at all.
    assert seconds(200_000) < 60 * small
