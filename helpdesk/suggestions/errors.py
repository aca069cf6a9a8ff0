from helpdesk.kernel.errors import Conflict


class TrainingInProgress(Conflict):
    code = "training_in_progress"
    title = "The model is being trained"
    advice = "Wait for the job named in `job_id`, or cancel it."
