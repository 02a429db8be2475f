"""What secrets look like by themselves: keys of known services, private keys, whole files."""

import fnmatch
import re
from collections.abc import Iterator
from typing import NamedTuple

from pellucid.client.snapshots.secret_values import entropy, is_free_secret, is_placeholder

_SECRET_FILES = (
    *(".env", ".env.*", "*.env", ".envrc", "*.tfvars", "*.tfstate", "*.tfstate.*"),
    *("*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk", "*.keytab"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", ".netrc", "_netrc", ".pgpass"),
    *(".pypirc", ".npmrc", ".htpasswd", ".git-credentials", ".s3cfg", ".boto", ".dockercfg"),
    *(".databrickscfg", ".vault-token", "kaggle.json", "local.settings.json"),
    *("credentials", "credentials.*", "*-credentials.json", "*_credentials.json"),
    *("client_secret*.json", "service-account*.json", "service_account*.json"),
    *("secrets.toml", "secrets.yaml", "secrets.yml", "secrets.json", "secrets.ini"),
    *("token.json", "token.pickle", "kubeconfig", "kubeconfig.*", "*.p8", "*-key.json"),
    *(
        "secret.toml",
        "secret.yaml",
        "secret.yml",
        "secret.json",
        "secrets.*.toml",
        "secrets.*.json",
    ),
    *(
        "secrets.*.yaml",
        "secrets.*.yml",
        "*-adminsdk*.json",
        "wallet.dat",
        ".my.cnf",
        ".mylogin.cnf",
    ),
    *("rclone.conf", ".rclone.conf", ".smbcredentials", "accesstokens.json", ".terraformrc"),
    *(".sentryclirc", ".dockerconfigjson", "vault_pass*", ".vault_pass*", ".vault-pass*"),
    *("password.txt", "passwords.txt", "passwd.txt", "api_key.txt", "apikey.txt", "api-key.txt"),
    *("token.txt", "tokens.txt", "secret.txt", "secrets.txt", "pgpass.conf", ".pgpass.*"),
    *(".passwd-s3fs",),
)
_SECRET_PATHS = (
    *("*.docker/config.json", "*.kube/config", "*.aws/config", ".*/auth.json", "*/.*/auth.json"),
    *("*huggingface/token", "*gh/hosts.yml", "*.ssh/*", "secrets/*", "*/secrets/*"),
)
_HARMLESS_FILES = ("*.example", "*.sample", "*.template", "*.dist", "*.pub", "*.py", "*.md")

_KEYS = {
    "aws": rb"(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}",
    "github": rb"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,}",
    "gitlab": rb"gl(?:pat|rt|ptt|dt|cbt|soat)-[A-Za-z0-9_-]{20,}",
    "openai": rb"sk-(?:proj-|svcacct-|admin-|ant-|or-v1-|lf-)?[A-Za-z0-9_-]{20,}",
    "stripe": rb"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{24,}",
    "slack": rb"xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-\d-[A-Za-z0-9-]{20,}",
    "google": rb"AIza[0-9A-Za-z_-]{35}|ya29\.[0-9A-Za-z_-]{20,}|GOCSPX-[0-9A-Za-z_-]{20,}",
    "huggingface": rb"hf_[A-Za-z0-9]{30,}|api_org_[A-Za-z0-9]{30,}",
    "groq": rb"gsk_[A-Za-z0-9]{30,}",
    "npm": rb"npm_[A-Za-z0-9]{36}",
    "pypi": rb"pypi-[A-Za-z0-9_-]{50,}",
    "sendgrid": rb"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    "JWT": rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "replicate": rb"r8_[A-Za-z0-9]{30,}",
    "langsmith": rb"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}",
    "tavily": rb"tvly-[A-Za-z0-9-]{20,}",
    "pinecone": rb"pcsk_[A-Za-z0-9_]{40,}",
    "xai": rb"xai-[A-Za-z0-9]{40,}",
    "perplexity": rb"pplx-[A-Za-z0-9]{40,}",
    "databricks": rb"dapi[0-9a-f]{32}(?:-\d)?",
    "digitalocean": rb"do[opr]_v1_[0-9a-f]{64}",
    "shopify": rb"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",
    "linear": rb"lin_api_[A-Za-z0-9]{32,}",
    "notion": rb"(?:ntn|secret)_[A-Za-z0-9]{40,}",
    "vault": rb"hv[sb]\.[A-Za-z0-9_-]{24,}",
    "age": rb"AGE-SECRET-KEY-1[0-9A-Z]{58}",
    "mailgun": rb"key-[0-9a-f]{32}",
    "docker": rb"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}",
    "figma": rb"figd_[A-Za-z0-9_-]{36,}",
    "newrelic": rb"NRAK-[A-Z0-9]{27}",
    "supabase": rb"sb(?:p_[0-9a-f]{40}|_secret_[A-Za-z0-9_-]{20,})",
    "e2b": rb"e2b_[0-9a-f]{40}",
    "firecrawl": rb"fc-[0-9a-f]{32}",
    "langchain": rb"ls__[0-9a-f]{32}",
    "pulumi": rb"pul-[0-9a-f]{40}",
    "rubygems": rb"rubygems_[0-9a-f]{48}",
    "atlassian": rb"ATATT3[A-Za-z0-9_=-]{60,}",
    "airtable": rb"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}",
    "fireworks": rb"fw_[A-Za-z0-9]{22,24}(?![A-Za-z0-9])",
    "onepassword": rb"ops_eyJ[A-Za-z0-9_-]{40,}",
    "azure": rb"[A-Za-z0-9_~.-]{3}7Q~[A-Za-z0-9_~.-]{31,34}",
}
_PREFIXES = (
    *(b"AKIA", b"ASIA", b"ABIA", b"ACCA", b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_"),
    *(b"github_pat_", b"glpat-", b"glrt-", b"glptt-", b"gldt-", b"glcbt-", b"glsoat-", b"sk-"),
    *(b"sk_", b"rk_", b"whsec_", b"xox", b"xapp-", b"AIza", b"ya29.", b"GOCSPX-", b"hf_"),
    *(b"api_org_", b"gsk_", b"npm_", b"pypi-", b"SG.", b"eyJ", b"r8_", b"lsv2_", b"tvly-"),
    *(b"pcsk_", b"xai-", b"pplx-", b"dapi", b"doo_v1_", b"dop_v1_", b"dor_v1_", b"shpat_"),
    *(b"shpca_", b"shppa_", b"shpss_", b"lin_api_", b"ntn_", b"secret_", b"hvs.", b"hvb."),
    *(b"AGE-SECRET-KEY-1", b"key-", b"dckr_", b"figd_", b"NRAK-", b"sbp_", b"sb_secret_", b"e2b_"),
    *(b"fc-", b"ls__", b"pul-", b"rubygems_", b"ATATT3", b"pat", b"fw_", b"ops_eyJ"),
)
"""What the kinds begin with: looking for these first is a hundred times as fast."""
_KNOWN = re.compile(
    rb"(?<![A-Za-z0-9_-])(?:"
    + b"|".join(b"(?P<%s>%s)" % (name.encode(), pattern) for name, pattern in _KEYS.items())
    + rb")"
)
_PRIVATE_KEY = re.compile(
    rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]*-----|\Z)", re.DOTALL
)
_IN_URL = re.compile(
    rb"[a-z][a-z0-9+.-]{1,20}://[^\s:@/'\"{}<>$]{0,64}:([^\s'\"{}<>]{3,128})@(?=[\w\[%{$-])"
)
_TOKEN_IN_URL = re.compile(rb"[a-z][a-z0-9+.-]{1,20}://([A-Za-z0-9_-]{20,200})@(?=[\w\[])")
_PORT_AND_PATH = re.compile(rb"\d{1,5}/")
_SLACK_HOOK = re.compile(rb"hooks\.slack\.com/(?:services|workflows)/([A-Za-z0-9/_-]{20,})")
_OTHER_HOOK = re.compile(
    rb"(?:discord(?:app)?\.com/api/webhooks/\d{5,25}/|outlook\.office(?:365)?\.com/webhook/"
    rb"|webhook\.office\.com/webhookb2/|api\.telegram\.org/bot)([A-Za-z0-9@:/_-]{20,300})"
)
_BEARER = re.compile(rb"(?i)\bbearer[ ]+([A-Za-z0-9._~+/-]{16,512}=*)")
_BASIC = re.compile(rb"(?i)authorization[\"']?\s*[:=,]\s*[\"']?basic[ ]+([A-Za-z0-9+/]{8,512}=*)")
_CURL_USER = re.compile(
    rb"\bcurl\b[^\n]{0,200}?\s(?:-u|--user)[ =]?[\"']?[\w.@-]+:([^\s\"']{3,128})"
)
_BOT = re.compile(rb"(?<![\w:])\d{8,10}:[A-Za-z0-9_-]{35}(?![\w-])")
_DISCORD = re.compile(
    rb"(?<![\w.])[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}"
)
_SIGNATURE = re.compile(rb"[?&](?:sig|X-Amz-Signature|Signature)=([A-Za-z0-9%+/=_-]{20,200})")
_AUTH_BLOB = re.compile(rb"[\"']_?auth[\"']?\s*[:=]\s*[\"']?([A-Za-z0-9+/]{12,512}={0,2})")
_LOGIN = re.compile(
    rb"\b(?:login|configure|Client|authenticate)\(\s*(?:\w{0,30}\s*=\s*)?[\"']([A-Za-z0-9_-]{24,120})[\"']"
)
_QUOTED = re.compile(rb"(?<![:-])[\"']([A-Za-z0-9+/_-]{40,120}={0,2})[\"']")
_HASHES = re.compile(rb"(?i)sha(?:1|256|384|512)[-:=]?$|(?:integrity|digest|hash)[\"']?\s*[:=]\s*$")
_LEAST_ENTROPY = 2.8


class Span(NamedTuple):
    """Where a secret stands, and what it looks like."""

    start: int
    end: int
    kind: str


def is_secret_file(path: str) -> bool:
    """Tell whether a file's name says that all of it is a secret."""
    lowered = path.lower()
    name = lowered.rpartition("/")[2]
    if any(fnmatch.fnmatchcase(name, pattern) for pattern in _HARMLESS_FILES):
        return False
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in _SECRET_FILES) or any(
        fnmatch.fnmatchcase(lowered, pattern) for pattern in _SECRET_PATHS
    )


def find_kinds(data: bytes) -> Iterator[Span]:
    """Yield the secrets that show what they are, in no order."""
    for prefix in _PREFIXES:
        for position in positions(data, prefix):
            match = _KNOWN.match(data, position)
            if match is None or is_placeholder(match[0]):
                continue
            if entropy(match[0]) >= _LEAST_ENTROPY:
                yield Span(*match.span(), f"{match.lastgroup} key")
    if b"PRIVATE KEY" in data:
        for match in _PRIVATE_KEY.finditer(data):
            yield Span(*match.span(), "private key")
    if b"://" in data:
        yield from _in_urls(data)
    for pattern, hint, kind in (
        (_BEARER, b"earer", "bearer token"),
        (_BASIC, b"asic", "password of a header"),
        (_CURL_USER, b"curl", "password of a command"),
        (_LOGIN, b"(", "random text"),
        (_AUTH_BLOB, b"auth", "password of a registry"),
    ):
        if hint in data:
            yield from _matching(data, pattern, kind)
    for pattern in (_BOT, _DISCORD):
        for match in pattern.finditer(data):
            if entropy(match[0]) >= 4.0:
                yield Span(*match.span(), "bot token")
    for match in _QUOTED.finditer(data):
        before = data[max(0, match.start() - 24) : match.start()]
        if not _HASHES.search(before) and is_free_secret(match[1]):
            yield Span(*match.span(1), "random text")


def _in_urls(data: bytes) -> Iterator[Span]:
    for match in _IN_URL.finditer(data):
        is_sample = match[1] in (b"pass", b"password", b"passwd") or is_placeholder(match[1])
        if not is_sample and not _PORT_AND_PATH.match(match[1]):
            yield Span(*match.span(1), "password in a URL")
    yield from _matching(data, _TOKEN_IN_URL, "token in a URL")
    for match in _SLACK_HOOK.finditer(data):
        if not is_placeholder(match[1]):
            yield Span(*match.span(1), "slack key")
    yield from _matching(data, _OTHER_HOOK, "key of a webhook")
    yield from _matching(data, _SIGNATURE, "signature in a URL")


def _matching(data: bytes, pattern: "re.Pattern[bytes]", kind: str) -> Iterator[Span]:
    for match in pattern.finditer(data):
        if not is_placeholder(match[1]) and entropy(match[1]) >= _LEAST_ENTROPY:
            yield Span(*match.span(1), kind)


def positions(data: bytes, wanted: bytes) -> Iterator[int]:
    """Yield where some bytes stand."""
    position = data.find(wanted)
    while position >= 0:
        yield position
        position = data.find(wanted, position + 1)
