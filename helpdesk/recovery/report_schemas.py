"""Payloads of the reports on remedies."""

from typing import Final

from marshmallow import fields, validate

from helpdesk.complaints.taxonomy import FAULTS, SEVERITIES
from helpdesk.kernel.schemas import Choice, MoneyField, Names, Pattern, Schema, Timestamp
from helpdesk.recovery.fairness import MEASURES
from helpdesk.recovery.report_queries import LATELY, MOST_DAYS
from helpdesk.recovery.schemas import known_currency

PERIODS: Final = ("month", "quarter", "year", "week", "day")
COST_DIMENSIONS: Final = ("cause", "category", "issue", "severity", "team", "kind", "product", "period")
LIKE: Final = ("category", "issue", "severity", "fault")
COMPARED: Final = ("agent", "tier", "channel", "language")
FORMATS: Final = ("json", "csv")
LEAST: Final = 10
_KEY: Final = Pattern(r"^[a-z][a-z0-9_]{0,49}$", error="Write the key of a custom field.")
_SHARE: Final = Pattern(r"^(0(\.\d{1,6})?|1(\.0{1,6})?)$", error="Write a share between 0 and 1, for example 0.8.")
_DECIMAL: Final = Pattern(r"^\d{1,12}(\.\d{1,3})?$", error="Write a plain decimal, for example 200.00.")


class SpanQuery(Schema):
    since = Timestamp(
        metadata={"description": f"The {LATELY.days} days before the end; at most {MOST_DAYS} days.", "example": None},
    )
    before = Timestamp(metadata={"description": "Now.", "example": None})


class CostQuery(SpanQuery):
    by = Names(
        COST_DIMENSIONS,
        metadata={
            "description": f"What to tell apart, separated by commas: {', '.join(COST_DIMENSIONS)}; cause when absent.",
            "example": "cause",
        },
    )
    period = Choice(
        PERIODS, load_default="month", metadata={"description": "How long a period is; in UTC, weeks from Monday."}
    )
    currency = fields.String(validate=known_currency, metadata={"description": "Only this one.", "example": None})
    team_id = fields.UUID(metadata={"description": "Only complaints that this team has now.", "example": None})
    product_field = fields.String(
        load_default="product",
        validate=_KEY,
        metadata={"description": "The custom field that says which product a complaint is about.", "example": None},
    )
    format = Choice(
        FORMATS, load_default="json", metadata={"description": "csv: `items` alone, as a table for spreadsheets."}
    )


class CostSums(Schema):
    currency = fields.String(required=True, metadata={"example": "EUR"})
    cost = MoneyField(required=True, metadata={"description": "What was committed, less what came back."})
    committed = MoneyField(required=True, metadata={"description": "Spent in the span."})
    reversed = MoneyField(required=True, metadata={"description": "Of that, what came back until now."})
    reserved = MoneyField(
        required=True, metadata={"description": "Apart: set aside in the span, and neither spent nor free yet."}
    )
    mean = MoneyField(
        required=True, allow_none=True, metadata={"description": "`cost` by `remedies`; null where there is none."}
    )
    remedies = fields.Integer(required=True, metadata={"description": "Paid, and not taken back.", "example": 12})
    reversals = fields.Integer(required=True, metadata={"example": 1})
    reservations = fields.Integer(required=True, metadata={"example": 2})
    complaints = fields.Integer(required=True, metadata={"description": "That had such a remedy.", "example": 11})


class CostGroup(CostSums):
    cause = fields.String(required=True, allow_none=True, metadata={"example": "PRO.DESIGN"})
    category = fields.String(required=True, allow_none=True, metadata={"example": None})
    issue = fields.String(required=True, allow_none=True, metadata={"example": None})
    severity = fields.String(required=True, allow_none=True, metadata={"example": None})
    team_id = fields.UUID(required=True, allow_none=True, metadata={"example": None})
    team = fields.String(required=True, allow_none=True, metadata={"example": None})
    kind = fields.String(required=True, allow_none=True, metadata={"example": None})
    product = fields.String(required=True, allow_none=True, metadata={"example": None})
    period = fields.Date(
        required=True, allow_none=True, metadata={"description": "Its first day.", "example": "2026-03-01"}
    )


class Costs(Schema):
    since = Timestamp(required=True)
    before = Timestamp(required=True, metadata={"example": "2026-04-01T00:00:00Z"})
    by = fields.List(fields.String(), required=True, metadata={"example": ["cause"]})
    items = fields.List(
        fields.Nested(CostGroup),
        required=True,
        metadata={"description": "What is not told apart is null, and so is what a complaint does not have."},
    )
    totals = fields.List(fields.Nested(CostSums), required=True, metadata={"description": "Of each currency."})


class FairnessQuery(SpanQuery):
    like = Names(
        LIKE,
        metadata={
            "description": f"What makes complaints alike, separated by commas: {', '.join(LIKE)}; without issue when absent.",
            "example": "category,severity,fault",
        },
    )
    by = Names(
        COMPARED,
        metadata={
            "description": f"What they are compared by, separated by commas: {', '.join(COMPARED)}; without language when absent.",
            "example": "agent",
        },
    )
    least = fields.Integer(
        load_default=LEAST,
        validate=validate.Range(5, 1_000),
        metadata={
            "description": "Complaints below which nothing is said of a group, and like ones are not shown.",
            "example": LEAST,
        },
    )
    currency = fields.String(
        validate=known_currency,
        metadata={"description": "Of the amounts; the one most remedies are in.", "example": None},
    )


class SpreadOut(Schema):
    n = fields.Integer(required=True, metadata={"example": 24})


class AmountSpread(SpreadOut):
    median = MoneyField(required=True, allow_none=True)
    lower = MoneyField(required=True, allow_none=True, metadata={"description": "First quartile."})
    upper = MoneyField(required=True, allow_none=True, metadata={"description": "Third quartile."})


class RatioSpread(SpreadOut):
    median = fields.Float(required=True, allow_none=True, metadata={"example": 1.0})
    lower = fields.Float(required=True, allow_none=True, metadata={"example": 0.75})
    upper = fields.Float(required=True, allow_none=True, metadata={"example": 1.25})


class FairnessGroup(Schema):
    value = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "An agent's id, a tier, a channel, a language; null: not known.", "example": "key"},
    )
    name = fields.String(required=True, allow_none=True, metadata={"description": "Of an agent.", "example": None})
    n = fields.Integer(required=True, metadata={"example": 30})
    remedied = fields.Integer(required=True, metadata={"description": "With any remedy granted.", "example": 24})
    share = fields.Float(required=True, allow_none=True, metadata={"description": "Of `n`.", "example": 0.8})
    amounts = fields.Nested(
        AmountSpread, required=True, metadata={"description": "Granted on one complaint, where anything was."}
    )
    ratios = fields.Nested(
        RatioSpread,
        required=True,
        metadata={"description": "Granted, by what the playbook suggested when the first offer was drafted."},
    )


class FairnessTest(Schema):
    measure = Choice(MEASURES, required=True)
    groups = fields.Integer(required=True, metadata={"description": "That took part.", "example": 2})
    n = fields.Integer(required=True, allow_none=True, metadata={"description": "Complaints in them.", "example": 54})
    method = Choice(
        ("mann_whitney", "mann_whitney_exact", "kruskal_wallis", "fisher_exact", "chi_square"),
        required=True,
        allow_none=True,
    )
    statistic = fields.Float(required=True, allow_none=True, metadata={"example": 212.5})
    statistic_is = Choice(
        ("u", "h", "chi_square"),
        required=True,
        allow_none=True,
        metadata={
            "description": "u: Mann and Whitney's, of the first group. h: Kruskal and Wallis's. chi_square: Pearson's; Fisher's exact p "
            "does not come from it.",
            "example": "u",
        },
    )
    odds_ratio = fields.Float(
        required=True,
        allow_none=True,
        metadata={
            "description": "By Fisher: the odds of a remedy in the first group by those in the second. Null otherwise, and where it "
            "is not finite.",
            "example": None,
        },
    )
    p = fields.Float(required=True, allow_none=True, metadata={"description": "Two-sided.", "example": 0.0041})
    p_adjusted = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "For all `tests` of this answer together (Holm).", "example": 0.041},
    )
    effect = fields.Float(
        required=True,
        allow_none=True,
        metadata={
            "description": "How large a difference: rank-biserial correlation of two groups (its sign says which has more), "
            "epsilon squared of more, Cramer's V of shares.",
            "example": 0.42,
        },
    )
    verdict = Choice(
        ("different", "no_difference_shown"),
        required=True,
        allow_none=True,
        metadata={"description": "At an adjusted p of 0.05. null: nothing can be said; `why_not` tells why."},
    )
    why_not = Choice(
        ("too_few", "all_alike", "dubious"),
        required=True,
        allow_none=True,
        metadata={
            "description": "too_few: fewer than two groups have enough complaints. all_alike: one value throughout. dubious: "
            "the test's own conditions do not hold.",
            "example": None,
        },
    )


class Stratum(Schema):
    category = fields.String(required=True, allow_none=True, metadata={"example": "DEL"})
    issue = fields.String(required=True, allow_none=True, metadata={"example": None})
    severity = Choice(SEVERITIES, required=True, allow_none=True)
    fault = Choice(FAULTS, required=True, allow_none=True)


class FairnessComparison(Schema):
    by = Choice(COMPARED, required=True)
    like = fields.Nested(
        Stratum,
        required=True,
        allow_none=True,
        metadata={"description": "null: all complaints together, of which only the ratio is compared."},
    )
    groups = fields.List(fields.Nested(FairnessGroup), required=True)
    tests = fields.List(fields.Nested(FairnessTest), required=True)


class Fairness(Schema):
    since = Timestamp(required=True)
    before = Timestamp(required=True, metadata={"example": "2026-04-01T00:00:00Z"})
    currency = fields.String(required=True, allow_none=True, metadata={"description": "Of the amounts."})
    complaints = fields.Integer(required=True, metadata={"description": "Decided then, in sight.", "example": 240})
    other_currency = fields.Integer(
        required=True, metadata={"description": "Whose amounts are left out for their currency.", "example": 0}
    )
    least = fields.Integer(required=True, metadata={"example": LEAST})
    tests = fields.Integer(required=True, metadata={"description": "How many p were adjusted together.", "example": 9})
    too_small = fields.Integer(
        required=True, metadata={"description": "Complaints with too few like ones to be shown.", "example": 7}
    )
    items = fields.List(fields.Nested(FairnessComparison), required=True)


class ReturnQuery(SpanQuery):
    currency = fields.String(required=True, validate=known_currency, metadata={"example": "EUR"})
    value_per_customer = fields.String(
        required=True,
        validate=_DECIMAL,
        metadata={"description": "What a customer who stays is worth, in that currency.", "example": "200.00"},
    )
    retained_share = fields.String(
        validate=_SHARE,
        metadata={
            "description": "Which share of those who did not have to complain again stays; 1 when absent, which is the most "
            "that there can be.",
            "example": "0.8",
        },
    )


class Return(Schema):
    since = Timestamp(required=True)
    before = Timestamp(required=True, metadata={"example": "2026-04-01T00:00:00Z"})
    customers = fields.Integer(
        required=True, metadata={"description": "Who got a remedy of this currency then.", "example": 50}
    )
    complained_again = fields.Integer(
        required=True,
        metadata={
            "description": "Of these: who complained anew after it was delivered, or had a complaint reopened since. What was "
            "dismissed (spam, a duplicate, no complaint) does not count.",
            "example": 10,
        },
    )
    retained_share = fields.String(required=True, metadata={"example": "0.8"})
    retained = MoneyField(required=True, metadata={"description": "The value of those who did not, by that share."})
    cost = MoneyField(required=True, metadata={"description": "Committed then, less what came back."})
    recovery_return = fields.Float(
        required=True,
        allow_none=True,
        data_key="return",
        metadata={"description": "`(retained - cost) / cost`, to four places; null where it cost nothing."}
        | {"example": 2.2},
    )
    assumed = fields.List(
        fields.String(), required=True, metadata={"description": "What nobody has said.", "example": []}
    )


class RiskQuery(Schema):
    currency = fields.String(required=True, validate=known_currency, metadata={"example": "EUR"})
    customers = fields.Integer(required=True, validate=validate.Range(0, 10**9), metadata={"example": 10_000})
    value_per_customer = fields.String(required=True, validate=_DECIMAL, metadata={"example": "200.00"})
    problems = fields.String(
        required=True, validate=_SHARE, metadata={"description": "Of the customers: have one.", "example": "0.05"}
    )
    complain = fields.String(
        required=True, validate=_SHARE, metadata={"description": "Of these: say so.", "example": "0.3"}
    )
    satisfied = fields.String(
        required=True,
        validate=_SHARE,
        metadata={"description": "Of those who say so: whom the answer satisfies.", "example": "0.6"},
    )
    lost_complaining = fields.String(
        required=True,
        validate=_SHARE,
        metadata={"description": "Of those whom it does not: leave.", "example": "0.5"},
    )
    lost_silent = fields.String(
        required=True, validate=_SHARE, metadata={"description": "Of the silent: leave.", "example": "0.4"}
    )


class RiskOut(Schema):
    customers_lost = fields.Float(required=True, metadata={"example": 170.0})
    value_at_risk = MoneyField(required=True)
