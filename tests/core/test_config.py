import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, field_validator

from midtrain.core.config import Config, Size, format_size, parse, parse_size
from midtrain.core.errors import UserError


class InnerConfig(Config):
    tokens: Size = 1
    rate: float = 0.1


class OtherConfig(Config):
    path: str


class Outer(Config):
    parts: dict[str, InnerConfig | OtherConfig] = Field(default={})
    many: list[InnerConfig] = Field(default=[])
    one: InnerConfig = InnerConfig()


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("300M", 300_000_000),
        ("10B", 10**10),
        ("64k", 64_000),
        ("1.5k", 1500),
        (7, 7),
        ("2e6", 2_000_000),
        (3.0, 3),
        ("1_000", 1000),
    ],
)
def test_sizes_read_as_people_write_them(text, size):
    assert parse_size(text) == size
    assert isinstance(parse_size(text), int)


@pytest.mark.parametrize(
    "text", ["64 kB", "-3", "1.5", "", "M", True, -1, 0.3, None, "1e400", float("inf"), float("nan")]
)
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError):
        parse_size(text)


@given(st.integers(1, 999), st.sampled_from(["", "k", "M", "B", "T"]))
def test_format_and_parse_agree(number, suffix):
    size = parse_size(f"{number}{suffix}")
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"on": {}}, 'r.yaml: unknown key "on". Did you mean "one"?'),
        ({"one": {"token": 3}}, 'r.yaml: unknown key "one.token". Did you mean "tokens"?'),
        ({"many": [{}, {"rat": 1}]}, 'r.yaml: unknown key "many.1.rat". Did you mean "rate"?'),
        ({"parts": {"a": {"tokns": 1}}}, 'r.yaml: unknown key "parts.a.tokns". Did you mean "tokens"?'),
    ],
)
def test_a_misspelt_key_is_named_with_the_one_meant(data, expected):
    with pytest.raises(UserError, match="^" + expected.replace("?", r"\?").replace(".", r"\.") + "$"):
        parse(Outer, data, "r.yaml")


def test_a_wrong_value_is_named_with_its_field():
    with pytest.raises(UserError) as error:
        parse(Outer, {"one": {"rate": "fast"}}, "r.yaml")
    assert "one.rate" in str(error.value)
    assert "fast" in str(error.value)


class PickyConfig(Config):
    kind: str

    @field_validator("kind")
    @classmethod
    def _known(cls, value: str) -> str:
        raise ValueError({"q": f'"{value}" is unknown. Did you mean "yarn"?', "d": f"{value}: no."}.get(value, "bad"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"kind": "q"}, 'r.yaml: kind: "q" is unknown. Did you mean "yarn"?'),
        ({"kind": "d"}, "r.yaml: kind: d: no."),
        ({"kind": "other"}, "r.yaml: kind: bad (it is 'other')."),
    ],
)
def test_a_sentence_ends_once(data, expected):
    with pytest.raises(UserError) as error:
        parse(PickyConfig, data, "r.yaml")
    assert str(error.value) == expected


def test_a_config_is_frozen():
    with pytest.raises(ValueError):
        InnerConfig().tokens = 3
