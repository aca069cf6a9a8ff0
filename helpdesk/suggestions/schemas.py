from marshmallow import fields

from helpdesk.kernel.schemas import Choice, Schema, Timestamp
from helpdesk.suggestions.models import BASES
from helpdesk.taxonomy.term_schemas import TermCode


class SuggestionEvidence(Schema):
    """A word of this complaint that speaks for the category."""

    word = fields.String(required=True, metadata={"description": "As it stands in the text.", "example": "parcel"})
    weight = fields.Float(
        required=True,
        metadata={
            "description": "What it adds: of the model in nats of log odds, of a list its points.",
            "example": 0.412,
        },
    )
    here = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Complaints of the category in which it stood; null: from a list.", "example": 41},
    )
    elsewhere = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "Complaints of all other categories in which it stood.", "example": 12},
    )


class CategorySuggestion(Schema):
    category = TermCode("category", required=True, metadata={"example": "DEL"})
    label = fields.String(
        required=True,
        metadata={"description": "In the language of `Accept-Language`.", "example": "Delivery & fulfilment"},
    )
    basis = Choice(
        BASES,
        required=True,
        metadata={"description": "What suggests it: the trained model, or a shipped list of words."},
    )
    probability = fields.Float(
        required=True, allow_none=True, metadata={"description": "The model's; a list has none.", "example": 0.81}
    )
    evidence = fields.List(fields.Nested(SuggestionEvidence), required=True)


class ModelInUse(Schema):
    version = fields.Integer(required=True, metadata={"example": 12})
    trained_at = Timestamp(required=True)
    examples = fields.Integer(required=True, metadata={"description": "Complaints it learned from.", "example": 1532})


class CategorySuggestions(Schema):
    complaint_id = fields.UUID(required=True)
    reference = fields.String(required=True, metadata={"example": "7K3M-9QX2-TAM"})
    category = TermCode(
        "category",
        ever=True,
        required=True,
        allow_none=True,
        metadata={"description": "Of its first issue as it is now.", "example": None},
    )
    suggestions = fields.List(
        fields.Nested(CategorySuggestion),
        required=True,
        metadata={"description": "At most three, the likeliest first; none: no word speaks for any."},
    )
    model = fields.Nested(
        ModelInUse,
        required=True,
        allow_none=True,
        metadata={"description": "null: there was too little to learn from, and lists of words suggest."},
    )


class CategoryFigures(Schema):
    code = TermCode("category", ever=True, required=True, metadata={"example": "DEL"})
    label = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "null: it is not in use any more.", "example": "Delivery & fulfilment"},
    )
    examples = fields.Integer(required=True, metadata={"example": 240})
    held_out = fields.Integer(
        required=True, metadata={"description": "Complaints of it that the model was tried on.", "example": 48}
    )
    right = fields.Integer(required=True, metadata={"description": "Of these, guessed at first.", "example": 39})
    guessed = fields.Integer(
        required=True,
        metadata={"description": "Tried ones of any category that were guessed to be of it.", "example": 45},
    )
    words = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Those that tell most of it, folded.", "example": ["parcel", "courier"]},
    )


class Confusion(Schema):
    actual = TermCode("category", ever=True, required=True, metadata={"example": "CPL"})
    guessed = TermCode("category", ever=True, required=True, metadata={"example": "PRV"})
    count = fields.Integer(required=True, metadata={"example": 7})


class CategoryModelVersion(Schema):
    version = fields.Integer(required=True, metadata={"example": 12})
    created_at = Timestamp(required=True)
    trained_by = fields.UUID(
        required=True, allow_none=True, metadata={"description": "null: the schedule.", "example": None}
    )
    examples = fields.Integer(required=True, metadata={"example": 1532})
    words = fields.Integer(required=True, metadata={"example": 3559})
    held_out = fields.Integer(
        required=True,
        metadata={
            "description": "Complaints that it was tried on, each without having learned from it.",
            "example": 1532,
        },
    )
    accuracy = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "Share of these whose category it guessed at first.", "example": 0.582},
    )
    accuracy_low = fields.Float(
        required=True, allow_none=True, metadata={"description": "Of the 95 % interval.", "example": 0.557}
    )
    accuracy_high = fields.Float(required=True, allow_none=True, metadata={"example": 0.606})
    among_three = fields.Float(
        required=True, allow_none=True, metadata={"description": "Among the first three.", "example": 0.877}
    )
    baseline = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "Who always guesses the most frequent category.", "example": 0.351},
    )
    by_rules = fields.Float(
        required=True, allow_none=True, metadata={"description": "The shipped lists of words.", "example": 0.349}
    )
    macro_f1 = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "The mean of F1 over the categories that were tried.", "example": 0.405},
    )


class Followed(Schema):
    basis = Choice(BASES, required=True)
    model_version = fields.Integer(required=True, allow_none=True, metadata={"example": 12})
    shown = fields.Integer(
        required=True, metadata={"description": "To agents who could judge the complaint.", "example": 130}
    )
    decided = fields.Integer(required=True, metadata={"description": "Of these, judged by them since.", "example": 96})
    first = fields.Integer(required=True, metadata={"description": "By the first suggestion.", "example": 71})
    among = fields.Integer(required=True, metadata={"description": "By any of the suggestions.", "example": 88})


class CategoryModel(Schema):
    in_use = fields.Nested(
        CategoryModelVersion,
        required=True,
        allow_none=True,
        metadata={"description": "null: there was too little to learn from, and lists of words suggest."},
    )
    categories = fields.List(fields.Nested(CategoryFigures), required=True)
    confused = fields.List(
        fields.Nested(Confusion), required=True, metadata={"description": "The most frequent mistakes."}
    )
    followed = fields.List(
        fields.Nested(Followed), required=True, metadata={"description": "Of what was shown in the last 90 days."}
    )
    needed = fields.Integer(
        required=True,
        metadata={"description": "Categorised complaints without which nothing is learned.", "example": 50},
    )
    needed_per_category = fields.Integer(
        required=True, metadata={"description": "Of a category, for the model to suggest it.", "example": 5}
    )
    training_job_id = fields.UUID(
        required=True, allow_none=True, metadata={"description": "Of the training under way.", "example": None}
    )
