"""What can be wrong with what CloudWatch is given.

CloudWatchError
├── EmfError         a log line that says it holds metrics, and holds none that CloudWatch would take
├── RecordingError   a line of a recorded file
├── StatisticError   a statistic that CloudWatch does not have
├── ExpressionError  metric math: its grammar, an unknown function, types that do not fit
├── RuleError        the AlarmRule of a composite alarm
└── TemplateError    an alarm's properties, or an intrinsic that has no value here
"""


class CloudWatchError(ValueError):
    """Every message names what is wrong and where."""


class EmfError(CloudWatchError):
    pass


class RecordingError(CloudWatchError):
    pass


class StatisticError(CloudWatchError):
    pass


class ExpressionError(CloudWatchError):
    pass


class RuleError(CloudWatchError):
    pass


class TemplateError(CloudWatchError):
    pass
