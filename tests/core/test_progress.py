from understudy.core.progress import Silent


def test_silent_is_silent(capfd):
    silent = Silent()
    silent.say("a fact")
    with silent.bar("work", 3, "texts") as advance:
        advance(3)
    assert capfd.readouterr() == ("", "")
