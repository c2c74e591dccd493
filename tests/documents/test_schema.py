"""What a document says, whether it is a text or a chat."""

import pyarrow as pa
import pytest

from midtrain.documents.schema import SCHEMA, content_of

CHAT = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]


def table(texts, messages):
    return pa.table(
        {"text": pa.array(texts, pa.string()), "messages": pa.array(messages, SCHEMA.field("messages").type)}
    )


@pytest.mark.parametrize("start", [0, 1, 2, 3])
def test_content_of_texts_and_chats_and_of_slices(start):
    rows = table(["x", None, "y", None], [None, CHAT, None, CHAT[1:]])
    assert content_of(rows.slice(start)).to_pylist() == ["x", "a\n\nb", "y", "b"][start:]


def test_content_of_texts_alone_copies_nothing_but_the_type():
    assert content_of(table(["x", "y"], [None, None])).to_pylist() == ["x", "y"]
