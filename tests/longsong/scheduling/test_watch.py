"""Whether a worker hangs."""

from __future__ import annotations

from longsong.scheduling.watch import Watch


def test_one_that_does_nothing_hangs_after_its_patience():
    watch = Watch(0.0, step=1.0, patience=10.0)
    for now in range(1, 11):
        watch.looked(now, 5.0)
        assert watch.verdict(now) is None
    assert "no progress and no processor time for 11 s" in watch.verdict(11.0)


def test_one_that_works_is_left_alone_for_longer():
    watch = Watch(0.0, step=1.0, patience=10.0)
    for now in range(1, 101):
        watch.looked(float(now), 0.9 * now)
        assert watch.verdict(float(now)) is None
    watch.looked(101.0, 0.9 * 101)
    assert "though it took processor time" in watch.verdict(101.0)


def test_to_take_hardly_any_processor_time_is_not_to_work():
    watch = Watch(0.0, step=1.0, patience=10.0)
    for now in range(1, 12):
        watch.looked(float(now), 0.01 * now)  # a thread that looks now and then whether anything came
    assert "no progress and no processor time" in watch.verdict(11.5)


def test_a_long_update_is_waited_for_in_its_own_measure():
    watch = Watch(0.0, step=60.0, patience=10.0)
    for now in range(1, 1201):
        watch.looked(float(now), 0.9 * now)
        assert watch.verdict(float(now)) is None
    watch.looked(1201.0, 0.9 * 1201)
    assert watch.verdict(1201.0) is not None


def test_a_step_that_took_longer_than_expected_may_take_as_long_again():
    watch = Watch(0.0, step=1.0, patience=10.0)
    watch.looked(80.0, 70.0)
    watch.heard(80.0)
    watch.looked(81.0, 70.9)
    watch.looked(1000.0, 900.0)
    assert watch.verdict(1000.0) is None


def test_progress_is_work_even_where_processor_time_is_not_known():
    watch = Watch(0.0, step=1.0, patience=10.0)
    for now in range(1, 100):
        watch.looked(float(now), None)
    assert watch.verdict(99.0) is None
    assert "no progress for 1 min 41 s" in watch.verdict(101.0)
    watch.heard(101.0)
    assert watch.verdict(101.0) is None


def test_one_that_was_stopped_and_goes_on_is_not_killed():
    watch = Watch(0.0, step=1.0, patience=10.0)
    watch.looked(1.0, 1.0)
    watch.looked(9.0, 1.0)
    assert watch.verdict(9.0) is None
    watch.looked(10.0, 1.9)
    assert watch.verdict(19.0) is None
