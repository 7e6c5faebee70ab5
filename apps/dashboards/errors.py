"""What can go wrong here."""


class DashboardDefinitionError(Exception):
    """A definition cannot be imported; carries every problem found, each naming its place."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
