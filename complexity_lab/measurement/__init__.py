"""From tensors to rows: the one measurement, for surveys, series, trainings, comparison and suggestion.

It is not called ``measure`` because the public function is: a subpackage of that name would replace it.
"""
