from helpdesk.kernel.errors import Conflict


class FieldTaken(Conflict):
    code = "custom_field_taken"
    title = "There is a custom field of this key"
    advice = "Keys are never given twice; choose another, or change the field that there is."


class FieldInUse(Conflict):
    code = "custom_field_in_use"
    title = "Complaints have values in this field"
    advice = (
        "Its type, its currency and how long a text that is looked for may be stay as they are. Retire an option (`retired: true`) "
        "instead of taking it away; put the field out of use (`active: false`) instead of deleting it."
    )


class FieldNamed(Conflict):
    code = "custom_field_named"
    title = "Something still asks for this field, or sets it"
    advice = (
        "Change what `uses` names first, then the field, or delete it. A definition is changed all the same with `even_if_named: true`: "
        "what named it does nothing, or is refused, until it is mended."
    )


class TooManyFields(Conflict):
    code = "too_many_custom_fields"
    title = "There are as many custom fields as one can work with"
    advice = "Delete one that no complaint has a value in."
