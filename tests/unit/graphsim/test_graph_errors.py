import pytest

from graphsim.graph_errors import GRAPH_ERRORS, graph_error, proof_error


def test_every_code_has_metas_title_some_details_and_a_status_of_an_error() -> None:
    assert len(GRAPH_ERRORS) > 160
    for code, row in GRAPH_ERRORS.items():
        assert row.title, code
        assert row.details, code
        assert row.http_status in {400, 401, 403, 404, 429, 500, 503}, code


@pytest.mark.parametrize("code", [0, 3, 10, 190, 200, 250, 299, 131005, 131056, 133010, 134102])
def test_a_listed_code_brings_its_row(code: int) -> None:
    error, row = graph_error(code), GRAPH_ERRORS[code]
    assert (error.http_status, error.title, error.details) == row[:3]
    assert error.body()["error"]["message"] == f"(#{code}) {row.title}"


def test_what_is_given_overrides_the_row_and_an_unlisted_code_is_400() -> None:
    error = graph_error(2, "d", http_status=418, title="t", is_transient=False, error_subcode=7)
    assert (error.details, error.http_status, error.title) == ("d", 418, "t")
    body = error.body()["error"]
    assert (body["error_subcode"], "is_transient" in body) == (7, False)
    assert graph_error(424242).http_status == 400


def test_only_errors_that_pass_by_themselves_are_transient() -> None:
    said = {code for code in GRAPH_ERRORS if "is_transient" in graph_error(code).body()["error"]}
    assert said == {2, 4, 131016, 133004}
    assert graph_error(424242, is_transient=True).body()["error"]["is_transient"] is True


def test_inside_a_failed_status_an_error_has_title_message_details_and_a_link() -> None:
    error = graph_error(131026, "Not on WhatsApp.").in_status()
    link = error.pop("href")
    assert link.startswith("https://developers.facebook.com/")
    assert error == {
        "code": 131026,
        "title": "Message undeliverable",
        "message": "Message undeliverable",
        "error_data": {"details": "Not on WhatsApp."},
    }


def test_a_complaint_about_a_proof_is_graphs_own_and_has_no_details() -> None:
    body = proof_error("Invalid appsecret_proof provided in the API argument").body()["error"]
    assert body.pop("fbtrace_id")
    assert body == {
        "message": "Invalid appsecret_proof provided in the API argument",
        "type": "GraphMethodException",
        "code": 100,
    }
