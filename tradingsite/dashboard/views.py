"""Pages, their panels, and the few buttons; every change goes through a service."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from domain.errors import PlumblineError
from marketdata.models import DataGap
from marketdata.services.backfill_gaps import accept_gap
from marketdata.services.check_series import accept_finding, dismiss_finding
from risk.services.kill_switch import engage_kill_switch, release_kill_switch
from strategies.models import Bot
from tradingsite.access.roles import Role, has_role
from tradingsite.celery import ask_for_gap
from tradingsite.dashboard import bot_queries, data_queries, panels, queries
from tradingsite.dashboard.queries import Desk
from tradingsite.explain import Explanation, explain_order, explain_score, explain_signal
from tradingsite.pipelines.bot_actions import (
    ACTIONS,
    BotWish,
    act_on_bot,
    capital_of,
    make_bot,
    parameters_of,
)

log = logging.getLogger(__name__)


class GapSettledError(PlumblineError):
    """Somebody or something settled that gap before."""

    code = "gap_settled"


class NotSentError(PlumblineError):
    """The message to a worker could not be sent."""

    code = "not_sent"


THEMES = ("auto", "light", "dark")


def _given(request: HttpRequest) -> dict[str, str]:
    """Return the address' parameters; a NUL, which no stored text holds, finds nothing."""
    return {
        name: str(text).replace("\0", "\N{REPLACEMENT CHARACTER}")
        for name, text in request.GET.dict().items()
    }


def _desk_of(request: HttpRequest) -> Desk | None:
    """Return the desk the address names, else the one looked at last, else the first."""
    given = _given(request).get("account", "")
    desk = queries.load_desk(given or request.session.get("account", ""))
    if desk and given == desk.account.name:
        request.session["account"] = desk.account.name
    return desk


def _page(
    request: HttpRequest,
    template: str,
    names: Sequence[str],
    *,
    given: Mapping[str, str] | None = None,
    **more: Any,
) -> HttpResponse:
    """Return a page of panels; they hear the address' parameters unless told otherwise."""
    desk = _desk_of(request)
    if desk is None:
        return render(request, "desk/empty.html", _frame(request, None))
    shown = (*panels.EVERYWHERE, *names)
    built = panels.built(desk, shown, given or _given(request), str(request.user.pk))
    context = _frame(request, desk) | {"panels": built, "topics": _topics(built)} | more
    if "choices" in more:
        context["choices"] = queries.choices(desk)
    return render(request, template, context)


def _frame(request: HttpRequest, desk: Desk | None) -> dict[str, Any]:
    """Return what the frame around every page needs."""
    theme = request.COOKIES.get("theme", "auto")
    return {
        "desk": desk,
        "theme": theme if theme in THEMES else "auto",
        "can_trade": has_role(request.user, Role.TRADER),
        "can_resume": has_role(request.user, Role.RISK_MANAGER),
        "is_admin": has_role(request.user, Role.ADMIN),
        "given": request.GET,
    }


def _topics(built: dict[str, panels.BuiltPanel]) -> str:
    topics = {topic for one in built.values() for topic in one.panel.topics}
    return ",".join(sorted(topics))


@never_cache
@require_safe
@login_required
def desk(request: HttpRequest) -> HttpResponse:
    """Return the desk: what is owned, what happens, what is wrong."""
    return _page(request, "desk/desk.html", panels.DESK, here="desk")


@never_cache
@require_safe
@login_required
def positions(request: HttpRequest) -> HttpResponse:
    """Return every position, open and closed."""
    return _page(request, "desk/positions.html", ("position-list",), here="positions")


@never_cache
@require_safe
@login_required
def orders(request: HttpRequest) -> HttpResponse:
    """Return the orders that match the address."""
    return _page(
        request,
        "desk/orders.html",
        ("order-list",),
        here="orders",
        choices=True,
        states=panels.ORDER_STATES,
    )


@never_cache
@require_safe
@login_required
def signals(request: HttpRequest) -> HttpResponse:
    """Return the signals, or the holds, that match the address."""
    return _page(request, "desk/signals.html", ("signal-list",), here="signals", choices=True)


@never_cache
@require_safe
@login_required
def weights(request: HttpRequest) -> HttpResponse:
    """Return the weight versions."""
    return _page(request, "desk/weights.html", ("weight-list",), here="weights", choices=True)


@never_cache
@require_safe
@login_required
def bots(request: HttpRequest) -> HttpResponse:
    """Return the account's bots, and how alike they earn."""
    return _page(
        request,
        "desk/bots.html",
        panels.BOTS,
        here="bots",
        choices=True,
        strategies=bot_queries.strategies_known(),
    )


@never_cache
@require_safe
@login_required
def bot(request: HttpRequest, name: str) -> HttpResponse:
    """Return one bot: parameters, proofs, what it wanted and left alone, what it holds."""
    known = Bot.objects.select_related("account").filter(name=name).first()
    if known is None:
        raise Http404(f"unknown bot '{name}'")
    request.session["account"] = known.account.name
    return _page(request, "desk/bot.html", panels.BOT, given={"bot": name}, here="bots", name=name)


@never_cache
@require_safe
@login_required
def data(request: HttpRequest) -> HttpResponse:
    """Return what is stored, what is missing and who delivers it."""
    return _page(
        request,
        "desk/data.html",
        panels.DATA,
        here="data",
        symbols=data_queries.symbols(),
        timeframes=data_queries.TIMEFRAMES,
        state=request.GET.get("state", "open"),
    )


@never_cache
@require_safe
@login_required
def order_why(request: HttpRequest, order_id: int) -> HttpResponse:
    """Return why one order exists, down to the indicators."""
    return _why(request, lambda: explain_order(order_id), here="orders")


@never_cache
@require_safe
@login_required
def signal_why(request: HttpRequest, signal_id: int) -> HttpResponse:
    """Return why one signal was given and what came of it."""
    return _why(request, lambda: explain_signal(str(signal_id)), here="signals")


@never_cache
@require_safe
@login_required
def score_why(request: HttpRequest, score_id: int) -> HttpResponse:
    """Return how one score came out, also where a bot held."""
    return _why(request, lambda: explain_score(score_id), here="signals")


def _why(request: HttpRequest, explain: Callable[[], Explanation], *, here: str) -> HttpResponse:
    try:
        found = explain()
    except PlumblineError as error:
        raise Http404(str(error)) from None
    parts = found.score.contributions if found.score else ()
    largest = max((abs(part.contribution or 0.0) for part in parts), default=0.0)
    return _page(request, "desk/why.html", (), here=here, why=found, largest=largest or 1.0)


@never_cache
@require_safe
def panel(request: HttpRequest, name: str) -> HttpResponse:
    """Return one panel's inner HTML, or 304 when the browser already shows it."""
    if not request.user.is_authenticated:
        return HttpResponse("signed out", status=401, content_type="text/plain")
    given = _given(request)
    found = queries.load_desk(given.get("account", ""))
    if name not in panels.PANELS or found is None:
        raise Http404(f"no panel '{name}'")
    built = panels.built(found, (name,), given, str(request.user.pk))
    one = built[name.replace("-", "_")]
    if one.etag and request.headers.get("If-None-Match") == one.etag:
        answer: HttpResponse = HttpResponseNotModified()
    else:
        status = 200 if one.data is not None else 500
        context = _frame(request, found) | {"panel": one}
        answer = render(request, "panels/inside.html", context, status=status)
    if one.etag:
        answer.headers["ETag"] = one.etag
    return answer


@require_POST
@login_required
def bot_act(request: HttpRequest, name: str) -> HttpResponse:
    """Start, pause, stop, check or promote a bot, then show the page the button was on."""
    verb, person = request.POST.get("verb", ""), request.user.get_username()
    if verb not in ACTIONS:
        raise Http404(f"nothing can be done with a bot by '{verb}'")
    return _act(request, Role.TRADER, lambda: act_on_bot(verb, name, actor=person))


@require_POST
@login_required
def bot_new(request: HttpRequest) -> HttpResponse:
    """Make a bot of what the form says, then show it among the others."""
    return _act(
        request,
        Role.TRADER,
        lambda: make_bot(_wished(request), actor=request.user.get_username()),
        "The bot is a draft: check it, then promote it.",
    )


def _wished(request: HttpRequest) -> BotWish:
    """Return the bot that the form describes."""
    form = request.POST
    return BotWish(
        name=form.get("name", ""),
        account=form.get("account", ""),
        strategy=form.get("strategy", ""),
        instruments=form.getlist("instruments"),
        timeframe=form.get("timeframe", ""),
        parameters=parameters_of(form.get("parameters", "")),
        capital=capital_of(form.get("capital", "")),
    )


@require_POST
@login_required
def kill_switch(request: HttpRequest) -> HttpResponse:
    """Halt or resume an account, then show the page the button was on."""
    is_halt = request.POST.get("action") != "resume"
    account = request.POST.get("account", "")
    service = engage_kill_switch if is_halt else release_kill_switch
    return _act(
        request,
        Role.TRADER if is_halt else Role.RISK_MANAGER,
        lambda: service(
            account_name=account,
            actor=request.user.get_username(),
            reason=request.POST.get("reason", ""),
        ),
        f"{account} is halted: nothing new leaves." if is_halt else f"{account} trades again.",
    )


@require_POST
@login_required
def gap_action(request: HttpRequest, gap_id: int, verb: str) -> HttpResponse:
    """Accept that a gap's bars are missing, or have the providers asked for them now."""
    person = request.user.get_username()
    if verb == "ask":
        done = "The providers are being asked; the gap says what came of it."
        return _act(request, Role.TRADER, lambda: _ask(gap_id), done)
    done = "Accepted: from now on this gap blocks nothing."
    return _act(request, Role.RISK_MANAGER, lambda: _accept(gap_id, person), done)


def _ask(gap_id: int) -> None:
    if not ask_for_gap(gap_id):
        raise NotSentError("no worker could be told; the next round asks by itself")


def _accept(gap_id: int, person: str) -> None:
    if not DataGap.objects.filter(pk=gap_id).exists() or not accept_gap(gap_id=gap_id, by=person):
        raise GapSettledError(f"gap {gap_id} is not open any more")


@require_POST
@login_required
def finding_action(request: HttpRequest, finding_id: int, verb: str) -> HttpResponse:
    """Accept an odd bar as wrong or a split as true, or dismiss the finding."""
    person = request.user.get_username()
    if verb == "accept":
        return _act(
            request,
            Role.RISK_MANAGER,
            lambda: accept_finding(finding_id=finding_id, by=person),
            "Accepted.",
        )
    return _act(
        request,
        Role.RISK_MANAGER,
        lambda: dismiss_finding(finding_id=finding_id),
        "Dismissed: the bars are right as they are.",
    )


def _act(request: HttpRequest, needed: Role, action: Any, done: str = "") -> HttpResponse:
    """Call the service and say what came of it on the next page: `done`, else its own words."""
    if not has_role(request.user, needed):
        messages.error(request, f"This needs the role {needed.group}.")
    else:
        try:
            said = action()
        except PlumblineError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, done or said)
    back = request.POST.get("next") or request.headers.get("Referer", "/")
    is_ours = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()})
    return redirect(back if is_ours else "/")
