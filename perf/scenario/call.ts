// A call between an agent and a customer, made up, and the questions that one adapter each is trained to answer of it.

export const CALL = `Agent: Thank you for calling Northwind Internet, this is Dana. How can I help you today?
Customer: Hi, my connection has dropped every evening this week. I work from home and I am losing calls.
Agent: I am sorry about that. May I have your account number and the name on the account?
Customer: It is four four one nine two, Sam Ortega.
Agent: Thank you, Sam. I see your modem went offline three times yesterday. Have you restarted it since?
Customer: Twice. It comes back for an hour and then the light turns orange again.
Agent: Then I would like to send a technician. I can offer Thursday between nine and eleven.
Customer: Thursday works. But honestly, if this is not fixed I will move to another provider.
Agent: I understand. I will credit this week to your next bill and note that you need mornings free of interruptions.
Customer: All right, thank you. That is fair.
Agent: You will get a message when the technician is on the way. Is there anything else I can do for you?
Customer: No, that is all. Have a good day.`;

const ASKED = [
  "Was the customer greeted by name?",
  "Did the agent show empathy?",
  "Is the customer likely to leave?",
  "Was an appointment made?",
  "Was a credit offered?",
  "Was the account verified?",
];

/** What adapter `index` is asked. */
export const questionOf = (index: number): string => `${CALL}\n\n${ASKED[index % ASKED.length]} Answer in a few words.`;
