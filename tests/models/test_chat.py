"""Chat rendering: the mask decodes to what the assistant said and nothing else, or there is an error."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend
from transformers import PreTrainedTokenizerFast

from midtrain.core.errors import UserError
from midtrain.models.chat import render, render_prompt
from midtrain.models.tokenizer import Tokenizer

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
STRIPPING = (  # as Llama 3 and Gemma do
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n\\n' + m.content | trim + '<|im_end|>' }}{% endfor %}"
)
PLAIN = "{% for m in messages %}{{ m.role + ': ' + m.content + '\\n' }}{% endfor %}"
FORGETTING = (  # drops what stands before </think> in earlier answers, as reasoning models do
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content.split('</think>')[-1] + '<|im_end|>\\n' }}"
    "{% endfor %}"
)
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is 17 + 25?"},
    {"role": "assistant", "content": "42"},
    {"role": "user", "content": "Are you sure? 42"},
    {"role": "assistant", "content": "\n  Yes: 42.\n"},
]


def with_template(tokenizer, template):
    hf = PreTrainedTokenizerFast.from_pretrained(tokenizer.hf.name_or_path)
    hf.chat_template = template
    hf.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    return Tokenizer.of(hf)


def said(tokenizer, messages):
    ids, mask = render(tokenizer, messages)
    assert len(ids) == len(mask)
    runs, last = [], False
    for token, masked in zip(ids, mask, strict=True):
        if masked and not last:
            runs.append([])
        if masked:
            runs[-1].append(token)
        last = masked
    return [tokenizer.decode(run) for run in runs], tokenizer.decode(ids)


def test_the_default_template_speaks_in_trained_tokens_only(tokenizer):
    answers, text = said(tokenizer, TALK)
    assert answers == ["42<|endoftext|>", "\n  Yes: 42.\n<|endoftext|>"]
    assert text.startswith("Be brief.\n\nQuestion:\nWhat is 17 + 25?\n\nAnswer:\n42<|endoftext|>\n\nQuestion:\n")
    ids, _ = render(tokenizer, TALK)
    assert set(tokenizer.hf.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"])).isdisjoint(ids)


def test_the_default_template_agrees_with_transformers(tokenizer):
    ids, mask = render(tokenizer, TALK[:3])
    theirs = tokenizer.hf.apply_chat_template(TALK[:3], return_dict=True, return_assistant_tokens_mask=True)
    assert ids == theirs["input_ids"]
    assert [int(m) for m in mask] == theirs["assistant_masks"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (CHATML, ["42<|im_end|>", "\n  Yes: 42.\n<|im_end|>"]),
        (STRIPPING, ["42<|im_end|>", "Yes: 42.<|im_end|>"]),
        (PLAIN, ["42", "\n  Yes: 42.\n"]),
        (FORGETTING, ["42<|im_end|>", "\n  Yes: 42.\n<|im_end|>"]),
    ],
)
def test_templates_without_markers(tokenizer, template, expected):
    chat = with_template(tokenizer, template)
    answers, text = said(chat, TALK)
    assert answers == expected
    assert text == chat.hf.apply_chat_template(TALK, tokenize=False)


def test_a_template_that_rewrites_an_answer_is_refused(tokenizer):
    talk = [TALK[1], {"role": "assistant", "content": "hm</think>42"}]
    with pytest.raises(UserError, match="changes what the assistant says"):
        render(with_template(tokenizer, FORGETTING), talk)


@given(answer=st.text(max_size=30), question=st.text(max_size=30))
@settings(max_examples=60, deadline=None)
def test_masks_are_exact_and_training_sees_what_generation_sees(tokenizer, answer, question):
    if any(token in answer + question for token in tokenizer.hf.all_special_tokens):
        return
    talk = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    assert said(tokenizer, talk)[0] == [answer + "<|endoftext|>"]
    ids, mask = render(tokenizer, talk)
    prompt = render_prompt(tokenizer, talk[:1])
    assert ids[: len(prompt)] == prompt
    assert mask == [False] * len(prompt) + [True] * (len(ids) - len(prompt))


def sentencepiece_like(template):
    backend = Backend(models.BPE(unk_token="<unk>", byte_fallback=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    backend.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    backend.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.Fuse()])
    trainer = trainers.BpeTrainer(vocab_size=120, special_tokens=["<unk>", "</s>"], show_progress=False)
    backend.train_from_iterator(["the quick brown fox [INST] jumps [/INST] over it 42 times"] * 5, trainer)
    backend.add_special_tokens([AddedToken("[/INST]", special=True)])
    hf = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", unk_token="<unk>")
    hf.chat_template = template
    return Tokenizer.of(hf)


def test_a_tokenizer_that_cannot_be_cut_is_encoded_whole():
    template = (
        "{% for m in messages %}{% if m.role == 'user' %}{{ m.content + '[/INST] ' }}"
        "{% else %}{{ m.content + eos_token }}{% endif %}{% endfor %}"
    )
    chat = sentencepiece_like(template)
    talk = [{"role": "user", "content": "jumps over"}, {"role": "assistant", "content": "the fox"}]
    ids, mask = render(chat, talk)
    assert ids == chat.hf(chat.hf.apply_chat_template(talk, tokenize=False), add_special_tokens=False)["input_ids"]
    assert chat.decode([i for i, m in zip(ids, mask, strict=True) if m]).strip() == "the fox</s>"


def test_a_straddling_token_is_an_error():
    template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    chat = sentencepiece_like(template)
    talk = [{"role": "user", "content": "jumps over the qu"}, {"role": "assistant", "content": "ick"}]
    with pytest.raises(UserError, match="half inside an answer"):
        render(chat, talk)


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "without messages"),
        ([{"role": "user"}], "needs a role and a content"),
        ([{"role": "user", "content": None}], "needs a role and a content"),
        ([{"role": "critic", "content": "no"}], 'the role "critic" is not system, user or assistant'),
    ],
)
def test_malformed_messages(tokenizer, messages, words):
    with pytest.raises(UserError, match=words):
        render(tokenizer, messages)


def test_no_template(tokenizer):
    hf = PreTrainedTokenizerFast.from_pretrained(tokenizer.hf.name_or_path)
    hf.chat_template = None
    with pytest.raises(UserError, match="no chat template"):
        render(dataclasses.replace(tokenizer, hf=hf), TALK)
