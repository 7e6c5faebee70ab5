"""The promises, numbered as in the design, in words for the people whom they protect."""

from apps.trust.types import Promise

PROMISES = (
    Promise("P1", "Only those who may", "Nobody sees a data set, a dashboard or a number without a permission for it. What is not allowed looks the same as what does not exist."),
    Promise("P2", "Tenants are kept apart", "Your data carries your tenant's id, and every reference to it stays inside. The database itself refuses to mix two tenants."),
    Promise("P3", "Rules in the model", "Your data model decides which data sets, fields and rows each person gets, and its rules hold inside every question."),
    Promise("P4", "Encrypted", "What we keep of your data is sealed with your tenant's own keys, and travels encrypted over public networks."),
    Promise("P5", "Credentials apart", "The credentials to your databases are sealed once more. Only the part that connects to your database can open them."),
    Promise("P6", "Your identity provider", "People sign in where your organisation manages them. No password is kept here, and what your provider says of a person decides what they see."),
    Promise("P7", "Checked first", "Each request is checked before anything else happens, and everything after works inside the limits that were found."),
    Promise("P8", "Support by invitation", "Our staff can look inside only when you approve it, within the limits you set. You see what they do and can end it at once."),
    Promise("P9", "Least privilege, written down", "The parts of this system hold as few rights as they can, and what happened is written into a log that cannot be changed unnoticed."),
    Promise("P10", "Not copied elsewhere", "Your data is not copied out of the running system, and not used for tests or anything other than serving you."),
    Promise("P11", "Kept for a while only", "Results of questions are kept for a limited time. Then their keys are destroyed, and what is left cannot be read."),
    Promise("P12", "Deleted on request", "When you ask for it, everything of yours is deleted for good, and you get a certificate of it."),
    Promise("P13", "Few others involved", "As few other companies as possible touch your data, each one reviewed and named."),
)  # fmt: skip
