"""Grammars small enough to be right: nouns, numbers, names and wordings of eight languages, for worded problems.

numbers.py     plural categories, separators
spelling.py    number words up to 9,999, in the gender or noun class of what is counted
grammar.py     nouns, persons and quantities, which inflect themselves inside a template
en.py ... zh.py   a lexicon and the wordings of every worded family, as data
"""
