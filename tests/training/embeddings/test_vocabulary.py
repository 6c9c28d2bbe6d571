from understudy.data.readers.vectors import read_vectors
from understudy.tokenization.wordpiece import SubwordVocabulary, train_wordpiece
from understudy.tokenization.words import SPECIALS, build_vocabulary
from understudy.training.embeddings.vocabulary import entries, whole_words


def test_entries_of_words_and_pieces_stand_by_id():
    words = build_vocabulary(["a good film", "a film"], 6)
    assert entries(words) == words.words == (*SPECIALS, "a", "film", "good")
    assert whole_words(words) == ("", *entries(words)[1:])
    pieces = train_wordpiece(["goods gooding"] * 3, 30)
    assert all(pieces.tokenizer.token_to_id(piece) == row for row, piece in enumerate(entries(pieces)))
    wanted = dict(zip(entries(pieces), whole_words(pieces), strict=True))
    assert wanted["##s"] == ""
    assert wanted["g"] == "g"


def test_marked_pieces_are_words_without_their_mark():
    document = {"model": {"type": "BPE", "vocab": {"<pad>": 0, "Ġfilm": 1, "film": 2}, "merges": []}}
    vocabulary = SubwordVocabulary({"version": "1.0", "added_tokens": [], **document})
    assert whole_words(vocabulary) == ("", "film", "")


def test_a_real_file_covers_most_words_of_a_text(shared_data):
    file = shared_data("vectors") / "glove.6B.50d.truncated.txt"
    found = read_vectors(file, ("the", "film", "good", "zzyzx"))
    assert found.rows.shape == (4, 50)
    assert found.is_found.tolist() == [True, True, True, False]
