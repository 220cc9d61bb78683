/** Every word that the pages say themselves. Names of places, categories and teams come from the district. */
const WORDS = {
  zh: {
    title: '随手拍',
    otherLanguage: 'English',
    what: '遇到什么问题？',
    photos: '拍照',
    photosHint: (n) => `选填，最多 ${n} 张`,
    addPhoto: '拍照 / 相册',
    removePhoto: '删除照片',
    noPhoto: '无法读取这张照片，请换一张 JPG 或 PNG',
    text: '情况说明',
    textHint: '选填。看到了什么、多久了？',
    phone: '联系电话',
    phoneHint: '选填，仅供处置单位回访，不公开，180 天后删除',
    position: '附上我的位置',
    positionOn: '已附上位置',
    positionFailed: '无法取得位置，可不填',
    locating: '正在定位…',
    submit: '提交',
    promise: '10 分钟内受理，凭编号可查结果',
    chooseFirst: '请先选择问题类型',
    website: '请勿填写',
    sending: '正在提交…',
    waiting: '网络不好，已保存在手机里，连上后自动提交',
    waitingHint: '可以先离开；再次打开本页会继续提交。',
    busy: '现在反映的人较多，稍后自动重试',
    pending: '有一条反映正在提交…',
    sentBefore: '上次的反映已提交，编号',
    received: '已收到，谢谢！',
    number: '受理编号',
    keepNumber: '请截图或记下编号，凭它查询进度',
    photosLeft: (sent, all) => `照片 ${sent} / ${all}`,
    photosDone: (n) => `${n} 张照片已上传`,
    photosLost: (n) => `${n} 张照片未能接收`,
    follow: '查看进度',
    another: '再反映一个问题',
    mine: '我的反映',
    loading: '正在打开…',
    retry: '重试',
    noPlace: '二维码无效或已停用',
    noPlaceHint: '请重新扫描现场的二维码，或拨打 12345。',
    noNetwork: '网络不可用，请稍后重试',
    tooMany: '操作过于频繁，请稍候再试',
    failed: '未能提交，请检查后重试',
    wrong: {
      phone: '电话号码不正确：请填手机号，或带区号的座机',
      category: '这里不能反映此类问题，请重新选择',
      place: '二维码无效或已停用',
    },
    progress: '办理进度',
    enterNumber: '请输入受理编号',
    numberHint: '12 位，例如 K7QM-2D9X-WB4T',
    look: '查询',
    noTicket: '没有这个编号，请核对后再试',
    reported: '反映时间',
    answerBy: (time) => `将在 ${time} 前受理`,
    answerLate: (time) => `应在 ${time} 前受理，已自动上报督办`,
    answered: (team, time) => (team ? `${team} 已于 ${time} 受理` : `已于 ${time} 受理`),
    joinedHint: '同一问题已有人反映或已被设备发现，合并办理，结果一并告知您。',
    milestones: ['已收到', '已受理', '已到场', '已办结'],
    state: {
      received: '已收到，正在安排',
      sent: '已派给处置队伍',
      accepted: '已受理',
      on_site: '人员已到现场',
      handled: '已处置，等待核查',
      verified: '核查通过，即将结案',
      paused: '暂时挂起',
      closed: '已办结',
      ended: '已终止办理',
    },
    step: {
      reported: '您反映了问题',
      joined: '并入已有案件',
      accepted: '受理',
      arrived: '人员到达现场',
      handled: '处置完成',
      verified: '核查通过',
      returned: '退回，重新安排',
      rework: '核查未通过，返工',
      paused: '暂时挂起',
      resumed: '恢复办理',
      closed: '办结',
      ended: '终止办理',
      note: '说明',
    },
    result: '处理结果',
    code: {
      confirmed: '问题属实，已处理',
      false_alarm: '经核实，问题不成立',
      not_found: '到场时未发现问题',
      device_fault: '经核实为设备故障',
      duplicate: '重复反映，已合并处理',
    },
    rate: '您对处理结果满意吗？',
    scores: ['很不满意', '不满意', '一般', '满意', '非常满意'],
    comment: '想说的话（选填）',
    send: '提交评价',
    thanks: '感谢评价',
    changeUntil: (time) => `${time} 前可修改`,
    updated: '每 20 秒自动更新',
  },
  en: {
    title: 'See it, tell us',
    otherLanguage: '中文',
    what: 'What is the matter?',
    photos: 'Photos',
    photosHint: (n) => `optional, up to ${n}`,
    addPhoto: 'Take a photo',
    removePhoto: 'Remove the photo',
    noPhoto: 'This photo cannot be read; please choose a JPG or PNG',
    text: 'Tell us more',
    textHint: 'Optional. What did you see, and for how long?',
    phone: 'Phone',
    phoneHint: 'Optional, for a call back only; never published, erased after 180 days',
    position: 'Add my position',
    positionOn: 'Position added',
    positionFailed: 'No position; that is fine',
    locating: 'Finding you…',
    submit: 'Send',
    promise: 'Answered within 10 minutes; follow it by its number',
    chooseFirst: 'Please choose what it is about first',
    website: 'Leave this empty',
    sending: 'Sending…',
    waiting: 'The network is weak. It is kept on this phone and sent when you are back online',
    waitingHint: 'You may leave; opening this page again goes on sending.',
    busy: 'Many people are reporting; trying again shortly',
    pending: 'A report is on its way…',
    sentBefore: 'Your last report has arrived:',
    received: 'We have it. Thank you!',
    number: 'Your number',
    keepNumber: 'Take a screenshot or write it down: it is how you follow the case',
    photosLeft: (sent, all) => `Photo ${sent} of ${all}`,
    photosDone: (n) => `${n} ${n === 1 ? 'photo' : 'photos'} sent`,
    photosLost: (n) => `${n} ${n === 1 ? 'photo was' : 'photos were'} not accepted`,
    follow: 'Follow it',
    another: 'Report something else',
    mine: 'My reports',
    loading: 'Opening…',
    retry: 'Try again',
    noPlace: 'This code is not valid any more',
    noPlaceHint: 'Please scan the code on site again, or call 12345.',
    noNetwork: 'No network; please try again',
    tooMany: 'Too many tries; please wait a little',
    failed: 'It could not be sent; please look it over',
    wrong: {
      phone: 'The phone number is not right: a mobile, or a landline with area code',
      category: 'This cannot be reported here; please choose again',
      place: 'This code is not valid any more',
    },
    progress: 'Progress',
    enterNumber: 'Your ticket number',
    numberHint: '12 characters, such as K7QM-2D9X-WB4T',
    look: 'Look it up',
    noTicket: 'There is no such number; please check it',
    reported: 'Reported',
    answerBy: (time) => `A team will take it on by ${time}`,
    answerLate: (time) => `It was due by ${time} and has been taken one level up`,
    answered: (team, time) => (team ? `${team} took it on at ${time}` : `Taken on at ${time}`),
    joinedHint:
      'Others, or a sensor, had noticed it already. It is handled together, and you will see the result.',
    milestones: ['Received', 'Taken on', 'On site', 'Done'],
    state: {
      received: 'Received, being arranged',
      sent: 'Sent to a team',
      accepted: 'Taken on',
      on_site: 'A team is on site',
      handled: 'Handled, to be checked',
      verified: 'Checked, about to be closed',
      paused: 'Paused',
      closed: 'Done',
      ended: 'Not pursued',
    },
    step: {
      reported: 'You reported it',
      joined: 'Added to an open case',
      accepted: 'Taken on',
      arrived: 'A team arrived',
      handled: 'Handled',
      verified: 'Checked',
      returned: 'Handed on to another team',
      rework: 'Not good enough yet; back to work',
      paused: 'Paused',
      resumed: 'Resumed',
      closed: 'Closed',
      ended: 'Not pursued',
      note: 'Note',
    },
    result: 'Result',
    code: {
      confirmed: 'Confirmed and dealt with',
      false_alarm: 'Checked: it was not so',
      not_found: 'Nothing was found on site',
      device_fault: 'A device was at fault',
      duplicate: 'Reported before; handled together',
    },
    rate: 'Are you satisfied with the result?',
    scores: ['Very dissatisfied', 'Dissatisfied', 'So-so', 'Satisfied', 'Very satisfied'],
    comment: 'Anything to add (optional)',
    send: 'Send rating',
    thanks: 'Thank you for rating',
    changeUntil: (time) => `may be changed until ${time}`,
    updated: 'Updates every 20 seconds',
  },
}

const KEPT = 'gridwhistle.report.language'

function stored() {
  try {
    return localStorage.getItem(KEPT)
  } catch {
    return null
  }
}

let language = stored() === 'en' ? 'en' : 'zh'

export const words = () => WORDS[language]

/** `{zh, en}` in the language of the page. */
export const titleOf = (title) => title?.[language] ?? ''

export const locale = () => (language === 'zh' ? 'zh-CN' : 'en-GB')

export function switchLanguage() {
  language = language === 'zh' ? 'en' : 'zh'
  try {
    localStorage.setItem(KEPT, language)
  } catch {
    // For this visit, then.
  }
  document.documentElement.lang = locale()
}

/** What to tell a person about a failed request. */
export function explain(problem) {
  const w = words()
  if (problem.code === 'network') return w.noNetwork
  if (problem.code === 'too_many_requests') return w.tooMany
  if (problem.code === 'not_found') return w.wrong.place
  return w.wrong[problem.where] ?? w.failed
}

const day = (at) => new Intl.DateTimeFormat('en-CA', { timeZone: 'Asia/Shanghai' }).format(at)

/** The district's time: hours and minutes, with the date when it is not today. */
export function timeOf(at) {
  const format = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone: 'Asia/Shanghai' }
  if (day(at) !== day(Date.now())) Object.assign(format, { month: 'numeric', day: 'numeric' })
  return new Intl.DateTimeFormat(locale(), format).format(at)
}
